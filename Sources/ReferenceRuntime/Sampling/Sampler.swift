internal import CRuntimeKernels

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// How tokens are drawn; names, meanings and defaults are llama.cpp's.
public struct SamplingOptions: Hashable, Sendable {
  /// Divides the logits; 0 or less takes the most likely token.
  public var temperature: Float = 0.8
  /// Keeps so many of the most likely tokens; 0 or less keeps all.
  public var topK = 40
  /// Keeps the shortest list of the most likely tokens with at least this probability; 1 or more keeps all.
  public var topP: Float = 0.95
  /// Keeps tokens with at least this share of the most likely one's probability; 0 or less keeps all.
  public var minP: Float = 0.05
  /// Divides positive and multiplies other logits of tokens seen lately.
  public var repeatPenalty: Float = 1
  /// How many tokens back penalties look; 0 turns them off, -1 is all that a sampler saw.
  public var repeatLastN = 64
  /// Subtracted once per occurrence.
  public var frequencyPenalty: Float = 0
  /// Subtracted once.
  public var presencePenalty: Float = 0
  /// The seed of the draws.
  public var seed: UInt32 = 0

  /// The defaults.
  public init() {}
}

/// Draws tokens by llama.cpp's default chain: penalties, top-k, top-p, min-p, temperature, draw.
public struct Sampler: Sendable {
  private struct Candidate {
    var token: Int32
    var logit: Float
  }

  /// The settings.
  public let options: SamplingOptions
  private var generator: MersenneTwister
  private var recent: [Int32] = []

  /// Starts with a seeded generator.
  public init(options: SamplingOptions) {
    self.options = options
    generator = MersenneTwister(seed: options.seed)
  }

  /// Tells the penalties about a token of the prompt or one that was drawn.
  public mutating func accept(_ token: Int32) {
    guard options.repeatLastN != 0 else { return }
    recent.append(token)
    if options.repeatLastN > 0, recent.count > options.repeatLastN {
      recent.removeFirst(recent.count - options.repeatLastN)
    }
  }

  /// Draws a token from finite logits, one per vocabulary entry; one draw of the generator per token, whatever is left.
  public mutating func sample(_ logits: some Collection<Float>) -> Int32 {
    var candidates = hasPenalties ? mostLikely(penalized(Array(logits))) : mostLikely(logits)
    precondition(!candidates.isEmpty, "a vocabulary has entries")
    keepTopK(&candidates)
    keepTopP(&candidates)
    keepMinP(&candidates)
    return draw(candidates)
  }

  /// Takes note of a token that an equal sampler drew, as if this one had drawn and accepted it.
  package mutating func replay(_ token: Int32) {
    _ = generator.uniform()
    accept(token)
  }

  /// The most likely token, the first among equals.
  public static func greedy(_ logits: some Sequence<Float>) -> Int32 {
    let index = logits.withContiguousStorageIfAvailable { values in
      values.baseAddress.map { crk_first_greatest(RuntimeKernels.current, $0, values.count) } ?? 0
    }
    if let index { return Int32(index) }
    var best: (token: Int32, logit: Float) = (0, -.infinity)
    for (index, logit) in logits.enumerated() where logit > best.logit { best = (Int32(index), logit) }
    return best.token
  }

  private var hasPenalties: Bool {
    let o = options
    return (o.repeatPenalty != 1 || o.frequencyPenalty != 0 || o.presencePenalty != 0) && !recent.isEmpty
  }

  private func penalized(_ logits: [Float]) -> [Float] {
    var logits = logits
    var counts: [Int32: Int] = [:]
    for token in recent { counts[token, default: 0] += 1 }
    for (token, count) in counts where logits.indices.contains(Int(token)) {
      let index = Int(token)
      if logits[index] <= 0 {
        logits[index] *= options.repeatPenalty
      } else {
        logits[index] /= options.repeatPenalty
      }
      logits[index] -= Float(count) * options.frequencyPenalty + options.presencePenalty
    }
    return logits
  }

  /// The tokens that the rest of the chain can choose from, in order: not all of a vocabulary is worth a list.
  private func mostLikely(_ logits: some Collection<Float>) -> [Candidate] {
    if options.temperature <= 0 {
      let token = Self.greedy(logits)
      return logits.dropFirst(Int(token)).prefix(1).map { Candidate(token: token, logit: $0) }
    }
    let threshold = options.topK > 0 ? kthLargest(logits, options.topK) : -.infinity
    var candidates: [Candidate] = []
    for (token, logit) in logits.enumerated() where logit >= threshold {
      candidates.append(Candidate(token: Int32(token), logit: logit))
    }
    return candidates
  }

  /// Descending by logit; equal logits in order of token.
  private func sort(_ candidates: inout [Candidate]) {
    candidates.sort { $0.logit != $1.logit ? $0.logit > $1.logit : $0.token < $1.token }
  }

  private func keepTopK(_ candidates: inout [Candidate]) {
    guard options.topK > 0 else { return }
    sort(&candidates)
    if candidates.count > options.topK { candidates.removeLast(candidates.count - options.topK) }
  }

  /// The k-th largest logit, by a min-heap of k values; without that many, none is too small.
  private func kthLargest(_ logits: some Sequence<Float>, _ k: Int) -> Float {
    var heap: [Float] = []
    func siftDown(_ start: Int) {
      var parent = start
      while true {
        var child = 2 * parent + 1
        if child >= heap.count { return }
        if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
        if heap[parent] <= heap[child] { return }
        heap.swapAt(parent, child)
        parent = child
      }
    }
    for logit in logits {
      if heap.count < k {
        heap.append(logit)
        if heap.count == k { for index in stride(from: k / 2, through: 0, by: -1) { siftDown(index) } }
      } else if logit > heap[0] {
        heap[0] = logit
        siftDown(0)
      }
    }
    return heap.count < k ? -.infinity : heap[0]
  }

  private func keepTopP(_ candidates: inout [Candidate]) {
    guard options.topP < 1 else { return }
    if options.topK <= 0 { sort(&candidates) }
    let greatest = candidates[0].logit
    let weights = candidates.map { Self.exponential($0.logit - greatest) }
    let total = weights.reduce(Float(0), +)
    var cumulative: Float = 0
    for (index, weight) in weights.enumerated() {
      cumulative += weight / total
      if cumulative >= options.topP {
        candidates.removeLast(candidates.count - index - 1)
        return
      }
    }
  }

  /// The exponential in f32, the same on every machine.
  ///
  /// C libraries differ in the last place of `expf`; of `exp` too, but rounding to f32 hides that.
  private static func exponential(_ x: Float) -> Float { Float(exp(Double(x))) }

  private func keepMinP(_ candidates: inout [Candidate]) {
    guard options.minP > 0 else { return }
    let greatest = candidates.reduce(-Float.infinity) { max($0, $1.logit) }
    let threshold = greatest + Float(log(Double(options.minP)))
    candidates.removeAll { $0.logit < threshold }
  }

  private mutating func draw(_ candidates: [Candidate]) -> Int32 {
    var greatest = candidates[0]
    for candidate in candidates where candidate.logit > greatest.logit { greatest = candidate }
    let random = generator.uniform()
    guard options.temperature > 0 else { return greatest.token }
    // Divided one by one before the difference is taken, as the reference rounds it.
    let scaled = candidates.map { $0.logit / options.temperature }
    let top = greatest.logit / options.temperature
    let weights = scaled.map { Double(Self.exponential($0 - top)) }
    let target = random * weights.reduce(0, +)
    var running = 0.0
    for (candidate, weight) in zip(candidates, weights) {
      running += weight
      if running >= target { return candidate.token }
    }
    return candidates[candidates.count - 1].token
  }
}
