import Foundation
import ModelDescriptions

/// A rotary embedding in double precision.
struct PlainRotation {
  private let isAdjacent: Bool
  private let speeds: [Double]
  private let magnitude: Double

  /// Finds the speed of each pair among the first `dimensions` of a head.
  init(_ rope: RopeParameters, dimensions: Int, isAdjacent: Bool, factors: [Double]? = nil) {
    self.isAdjacent = isAdjacent
    let (pairs, width) = (dimensions / 2, Double(dimensions))
    var speeds = (0..<pairs).map { pow(rope.theta, -2 * Double($0) / width) }
    if let factors { for pair in 0..<pairs { speeds[pair] /= factors[pair] } }
    var magnitude = 1.0
    switch rope.scaling {
    case .yarn(let yarn):
      func place(_ turns: Double) -> Double {
        width * log(Double(yarn.originalContextLength) / (turns * 2 * .pi)) / (2 * log(rope.theta))
      }
      var (low, high) = (place(yarn.betaFast ?? 32), place(yarn.betaSlow ?? 1))
      if yarn.roundsLimits { (low, high) = (floor(low), ceil(high)) }
      (low, high) = (max(low, 0), min(high, width - 1))
      for pair in 0..<pairs {
        let ramp = min(max((Double(pair) - low) / (high == low ? 0.001 : high - low), 0), 1)
        speeds[pair] *= ramp / yarn.factor + 1 - ramp
      }
      magnitude = yarn.attentionFactor ?? (0.1 * log(yarn.factor) + 1)
    case .proportional(let factor):
      let turning = Int((rope.partialFactor ?? 1) * width / 2)
      for pair in 0..<pairs { speeds[pair] = pair < turning ? speeds[pair] / factor : 0 }
    case .longRope(let long):
      for pair in 0..<pairs { speeds[pair] /= long.shortFactors?[pair] ?? 1 }
      magnitude = long.attentionFactor
    default: break
    }
    self.speeds = speeds
    self.magnitude = magnitude
  }

  /// A head at a position.
  func turned(_ x: [Double], _ position: Int) -> [Double] {
    var y = x
    for (pair, speed) in speeds.enumerated() {
      let angle = Double(position) * speed
      let (c, s) = (cos(angle) * magnitude, sin(angle) * magnitude)
      let (i, j) = isAdjacent ? (2 * pair, 2 * pair + 1) : (pair, pair + speeds.count)
      (y[i], y[j]) = (x[i] * c - x[j] * s, x[i] * s + x[j] * c)
    }
    return y
  }
}
