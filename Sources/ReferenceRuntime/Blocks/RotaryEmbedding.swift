internal import CRuntimeKernels

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// The angles of rotary position embedding.
///
/// Pair j of a head turns by `position * f_j`, `f_j = base^(-2j / dimensions)`, all in f32 as transformers does it;
/// cosines and sines are rounded from f64, so that they do not depend on the C library's variant.
/// With the interleaved multimodal kind all three positions of a text token are equal, which is this.
package struct RotaryFrequencies {
  /// `f_j` after scaling, one per pair.
  package let frequencies: [Float]
  /// Multiplies cosines and sines (yarn).
  package let magnitude: Float

  package init(_ settings: RotarySettings, factors: [Float]?) {
    let pairs = settings.dimensions / 2
    var inverse = (0..<pairs).map { pair in
      1 / Float(pow(settings.base, Double(Float(2 * pair) / Float(settings.dimensions))))
    }
    if let factors { for pair in 0..<pairs { inverse[pair] /= factors[pair] } }
    var magnitude: Float = 1
    switch settings.scaling {
    case .none: break
    case .linear(let factor): for pair in 0..<pairs { inverse[pair] /= Float(factor) }
    case .yarn(let factor, let original, let fast, let slow, let attentionFactor, let roundsLimits):
      let dimensions = Double(settings.dimensions)
      func pair(rotations: Double) -> Double {
        dimensions * log(original / (rotations * 2 * .pi)) / (2 * log(settings.base))
      }
      let limits = (low: pair(rotations: fast), high: pair(rotations: slow))
      let low = max(roundsLimits ? limits.low.rounded(.down) : limits.low, 0)
      var high = min(roundsLimits ? limits.high.rounded(.up) : limits.high, dimensions - 1)
      if low == high { high += 0.001 }
      for index in 0..<pairs {
        let ramp = Float(min(max((Double(index) - low) / (high - low), 0), 1))
        inverse[index] = inverse[index] / Float(factor) * ramp + inverse[index] * (1 - ramp)
      }
      magnitude = Float(attentionFactor ?? (factor <= 1 ? 1 : 0.1 * log(factor) + 1))
    case .perPair(let own): for pair in 0..<pairs { inverse[pair] /= own[pair] }
    case .proportional(let turning, let factor):
      for pair in 0..<pairs { inverse[pair] = pair < turning ? inverse[pair] / Float(factor) : 0 }
    }
    frequencies = inverse
    self.magnitude = magnitude * Float(settings.magnitude)
  }
}

/// Cosines and sines for the positions of a batch, and perhaps others around them.
struct RotationTable {
  let frequencies: RotaryFrequencies
  let pairing: RotarySettings.Pairing
  /// The positions whose values are there.
  private var positions = 0..<0
  /// [positions][pairs].
  private var cosines: [Float] = []
  private var sines: [Float] = []

  init(_ settings: RotarySettings, factors: [Float]?) {
    frequencies = RotaryFrequencies(settings, factors: factors)
    pairing = settings.pairing
  }

  /// Makes sure that the values of positions are there; nothing is computed where they are already.
  mutating func prepare(_ wanted: Range<Int>) {
    if wanted.clamped(to: positions) != wanted { fill(wanted) }
  }

  private mutating func fill(_ range: Range<Int>) {
    let pairs = frequencies.frequencies.count
    positions = range
    cosines = [Float](repeating: 0, count: range.count * pairs)
    sines = cosines
    for (row, position) in range.enumerated() {
      for pair in 0..<pairs {
        let angle = Double(Float(position) * frequencies.frequencies[pair])
        cosines[row * pairs + pair] = Float(cos(angle)) * frequencies.magnitude
        sines[row * pairs + pair] = Float(sin(angle)) * frequencies.magnitude
      }
    }
  }

  /// Turns the first dimensions of one head of the token at a position.
  func rotate(_ head: UnsafeMutablePointer<Float>, position: Int, level: Int32) {
    let pairs = frequencies.frequencies.count
    let row = position - positions.lowerBound
    cosines.withUnsafeBufferPointer { cosines in
      sines.withUnsafeBufferPointer { sines in
        guard let c = cosines.baseAddress, let s = sines.baseAddress else { return }
        switch pairing {
        case .halves: crk_rotate_halves(level, c + row * pairs, s + row * pairs, pairs, head)
        case .adjacent:
          for pair in 0..<pairs {
            let (a, b) = (head[2 * pair], head[2 * pair + 1])
            let (cosine, sine) = (c[row * pairs + pair], s[row * pairs + pair])
            head[2 * pair] = a * cosine - b * sine
            head[2 * pair + 1] = b * cosine + a * sine
          }
        }
      }
    }
  }
}
