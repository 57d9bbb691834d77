// From probabilities to an answer, as `Network.decide` and `answer_row` of edge_runtime do.

const BLOCK_SECONDS = 0.03;
const MIN_PROBABILITY = 1e-9;

const rounded = (value) => Math.round(value * 1e6) / 1e6;

// RMS level of the loudest 30 ms in dBFS; -Infinity for silence.
export function peakLevel(samples, sampleRate) {
  const size = Math.max(1, Math.floor(BLOCK_SECONDS * sampleRate));
  let peak = 0;
  for (let from = 0; from < samples.length; from += size) {
    if (from && from + size > samples.length) break; // an incomplete last block does not count
    const block = samples.subarray(from, from + size);
    let sum = 0;
    for (const value of block) sum += value * value;
    peak = Math.max(peak, sum / block.length);
  }
  return 10 * Math.log10(peak);
}

function arousalOf({ labels, scale, offset }, probabilities, all) {
  let high = 0, low = 0;
  all.forEach((label, k) => { if (labels.includes(label)) high += probabilities[k]; else low += probabilities[k]; });
  const odds = Math.log(Math.max(high, MIN_PROBABILITY) / Math.max(low, MIN_PROBABILITY));
  return 1 / (1 + Math.exp(-(scale * odds + offset)));
}

// Returns the fields of an answer. Without `isSpeech`, all but the status are null.
export function decide(model, probabilities, isSpeech) {
  if (!isSpeech) {
    return { label: null, status: "no speech", guess: null, confidence: null, probabilities: null, arousal: null };
  }
  const confidence = Math.max(...probabilities);
  const guess = model.labels[probabilities.indexOf(confidence)];
  const isEmotion = confidence >= model.uncertain_below;
  return {
    label: isEmotion ? guess : null,
    status: isEmotion ? "emotion" : "uncertain",
    guess,
    confidence: isEmotion ? rounded(confidence) : null,
    probabilities: Object.fromEntries(model.labels.map((label, k) => [label, rounded(probabilities[k])])),
    arousal: model.arousal ? rounded(arousalOf(model.arousal, probabilities, model.labels)) : null,
  };
}
