#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A colour in sRGB with opacity.
package struct SVGColour: Hashable, Sendable {
  /// Red, green, blue, each from 0 to 255.
  package var red, green, blue: Double
  /// From 0, invisible, to 1.
  package var alpha: Double

  /// Creates a colour; components are clamped.
  package init(_ red: Double, _ green: Double, _ blue: Double, alpha: Double = 1) {
    self.red = min(max(red, 0), 255)
    self.green = min(max(green, 0), 255)
    self.blue = min(max(blue, 0), 255)
    self.alpha = min(max(alpha, 0), 1)
  }

  init(rgb: UInt32) {
    self.init(Double(rgb >> 16 & 255), Double(rgb >> 8 & 255), Double(rgb & 255))
  }

  /// Black.
  package static let black = SVGColour(0, 0, 0)
  /// No colour at all.
  package static let transparent = SVGColour(0, 0, 0, alpha: 0)

  /// The colour as `#rrggbb`.
  package var hexText: String {
    let digits = Array("0123456789abcdef")
    return "#"
      + [red, green, blue].map { component in
        let value = Int(component.rounded())
        return String([digits[value >> 4], digits[value & 15]])
      }.joined()
  }

  /// Parses a colour: names, `#rgb`, `#rgba`, `#rrggbb`, `#rrggbbaa`, `rgb()`, `rgba()`, `hsl()`, `hsla()`, by CSS
  /// Color 4 without color spaces.
  ///
  /// - Parameter text: The value, in any case. `none`, `currentColor` and `url()` are paints, not colours.
  /// - Returns: The colour; `nil` when it is none.
  package static func parse(_ text: String) -> SVGColour? {
    let word = text.lowercased().filter { !$0.isWhitespace || $0 == " " }
    let trimmed = String(word.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    if trimmed == "transparent" { return transparent }
    if let rgb = named[trimmed] { return SVGColour(rgb: rgb) }
    if trimmed.hasPrefix("#") { return parse(hex: trimmed.dropFirst()) }
    guard let open = trimmed.firstIndex(of: "("), trimmed.hasSuffix(")") else { return nil }
    let arguments = trimmed[trimmed.index(after: open)...].dropLast()
    return parse(function: trimmed[..<open], arguments)
  }

  private static func parse(hex: Substring) -> SVGColour? {
    guard [3, 4, 6, 8].contains(hex.count) else { return nil }
    let digits = hex.compactMap { $0.isASCII ? $0.hexDigitValue : nil }
    guard digits.count == hex.count else { return nil }
    let isShort = digits.count < 5
    let bytes =
      isShort
      ? digits.map { $0 * 17 }
      : stride(from: 0, to: digits.count, by: 2).map { digits[$0] * 16 + digits[$0 + 1] }
    return SVGColour(
      Double(bytes[0]), Double(bytes[1]), Double(bytes[2]),
      alpha: bytes.count == 4 ? Double(bytes[3]) / 255 : 1)
  }

  private static func parse(function name: Substring, _ arguments: Substring) -> SVGColour? {
    let parts = arguments.split { $0 == " " || $0 == "," || $0 == "/" }.compactMap { SVGLength(String($0)) }
    guard parts.count == 3 || parts.count == 4 else { return nil }
    let alpha = parts.count == 4 ? (parts[3].unit == "%" ? parts[3].value / 100 : parts[3].value) : 1
    guard parts.allSatisfy({ $0.value.isFinite }) else { return nil }
    switch name {
    case "rgb", "rgba":
      let values = parts.prefix(3).map { $0.unit == "%" ? $0.value * 255 / 100 : $0.value }
      return SVGColour(values[0], values[1], values[2], alpha: alpha)
    case "hsl", "hsla":
      let units: [String: Double] = ["turn": 360, "rad": 180 / Double.pi, "grad": 0.9]
      let degrees = units[parts[0].unit] ?? 1
      return hsl(parts[0].value * degrees, parts[1].value / 100, parts[2].value / 100, alpha)
    default: return nil
    }
  }

  /// Hue in degrees, saturation and lightness from 0 to 1.
  private static func hsl(_ hue: Double, _ saturation: Double, _ lightness: Double, _ alpha: Double)
    -> SVGColour
  {
    let (s, l) = (min(max(saturation, 0), 1), min(max(lightness, 0), 1))
    let a = s * min(l, 1 - l)
    func component(_ n: Double) -> Double {
      var k = fmod(n + hue / 30, 12)
      if k < 0 { k += 12 }
      return 255 * (l - a * max(-1, min(k - 3, 9 - k, 1)))
    }
    return SVGColour(component(0), component(8), component(4), alpha: alpha)
  }

  /// The colour in CIE L*a*b* (D65): lightness from 0 to 100, and two colour axes.
  package var lab: (l: Double, a: Double, b: Double) {
    func linear(_ value: Double) -> Double {
      let c = value / 255
      return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4)
    }
    func curve(_ t: Double) -> Double { t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116 }
    let (r, g, b) = (linear(red), linear(green), linear(blue))
    let x = curve((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047)
    let y = curve(0.2126729 * r + 0.7151522 * g + 0.0721750 * b)
    let z = curve((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883)
    return (116 * y - 16, 500 * (x - y), 200 * (y - z))
  }

  /// The distance of two opaque colours in L*a*b* (CIE 1976); about 2 is just noticeable, black to white is 100.
  package func distance(to other: SVGColour) -> Double {
    let (p, q) = (lab, other.lab)
    return ((p.l - q.l) * (p.l - q.l) + (p.a - q.a) * (p.a - q.a) + (p.b - q.b) * (p.b - q.b)).squareRoot()
  }
}
