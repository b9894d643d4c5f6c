internal import ArgumentParser

/// A number of bytes on a command line: `512MB`, `2G`, `1GiB`, `4096`.
///
/// K, M, G and T are decimal, as llama.cpp's split sizes are; Ki, Mi, Gi and Ti are binary.
package struct ByteSize: ExpressibleByArgument, Hashable, Sendable {
  /// The size in bytes.
  package var byteCount: Int

  /// Parses the text; `nil` when it is not a size or overflows.
  package init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    var unit = argument.dropFirst(digits.count).lowercased()
    if unit.hasSuffix("b") { unit.removeLast() }
    let factors = [
      "": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12,
      "ki": 1024.0, "mi": 1_048_576.0, "gi": 1_073_741_824.0, "ti": 1_099_511_627_776.0,
    ]
    guard let number = Double(digits), let factor = factors[unit], number >= 0, number * factor < 9e18 else {
      return nil
    }
    byteCount = Int(number * factor)
  }

  /// Creates a size.
  package init(byteCount: Int) { self.byteCount = byteCount }

  /// The text shown as a default value.
  package var defaultValueDescription: String { Self.text(byteCount) }

  /// A size for people: `21.16 GB`, decimal units, three or four figures.
  package static func text(_ byteCount: Int) -> String {
    let value = Double(byteCount)
    for (unit, factor) in [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] where value >= factor {
      return decimals(value / factor, 2) + " " + unit
    }
    return "\(byteCount) B"
  }

  /// Mebibytes with two decimals, as llama-quantize prints sizes.
  package static func mebibytes(_ byteCount: Int) -> String {
    decimals(Double(byteCount) / 1_048_576, 2) + " MiB"
  }
}

/// A number with a fixed count of decimals, without regard to locale.
package func decimals(_ value: Double, _ count: Int) -> String {
  guard value.isFinite else { return "\(value)" }
  var scale = 1.0
  for _ in 0..<count { scale *= 10 }
  let scaled = (value.magnitude * scale).rounded()
  guard scaled < 9e18 else { return "\(value)" }
  let whole = Int(scaled)
  let sign = value < 0 && whole > 0 ? "-" : ""
  if count == 0 { return sign + "\(whole)" }
  let fraction = String(whole % Int(scale))
  return sign + "\(whole / Int(scale))." + String(repeating: "0", count: count - fraction.count) + fraction
}
