"""Archives: the timelines of many recordings as Parquet, on one machine or a cluster."""
