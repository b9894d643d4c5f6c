/// What the values of norm weights say about how they are stored.
///
/// A trained RMS norm multiplies by a positive number, nearly always, and by less than one somewhere. Stored minus
/// one, part of the weights is therefore negative (two thirds in the sample checkpoint); stored whole, none is.
struct NormValues {
  /// The number of values.
  private(set) var count = 0
  private var sum = 0.0
  private var negative = 0
  private var zero = 0
  private var aboveFifth = 0
  private var aboveHalf = 0
  /// Tensors of which a quarter or more is negative, with that share.
  private(set) var negativeTensors: [(name: String, share: Double)] = []

  /// Adds the values of a tensor.
  mutating func add(_ name: String, _ values: [Float]) {
    var below = 0
    for value in values {
      sum += Double(value)
      if value < 0 { below += 1 }
      if abs(value) < 1e-3 { zero += 1 }
      if value >= 0.2 { aboveFifth += 1 }
      if value >= 0.5 { aboveHalf += 1 }
    }
    count += values.count
    negative += below
    if below * 4 >= values.count, !values.isEmpty {
      negativeTensors.append((name, Double(below) / Double(values.count)))
    }
  }

  /// Whether the values can only be stored minus one: a tenth is negative, or half is zero as in an untrained model.
  var areMinusOne: Bool { count > 0 && (negative * 10 >= count || zero * 2 >= count) }
  /// Whether the values can only be stored whole: hardly one is negative, and half is far from zero.
  var arePlain: Bool { count > 0 && negative * 100 <= count && aboveFifth * 2 >= count }
  /// Whether a model that stored these minus one would scale nearly everything by more than one and a half.
  var areFarFromMinusOne: Bool { count > 0 && negative * 1000 <= count && aboveHalf * 2 >= count }

  /// The numbers, in words.
  var summary: String {
    guard count > 0 else { return "no values" }
    let share = Double(negative) / Double(count)
    return
      "\(Self.percent(share)) of \(count) norm weights are negative, their mean is \(Self.round(sum / Double(count)))"
  }

  static func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }
  private static func round(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
}
