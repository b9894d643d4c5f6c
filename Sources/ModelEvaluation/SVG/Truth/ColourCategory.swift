package import SVGAnalysis

/// A colour as people name it, so that any red is red.
package enum ColourCategory: String, CaseIterable, Hashable, Sendable, Codable {
  case black, white, gray, red, orange, yellow, green, blue, purple, pink, brown, cyan

  private static let prototypes: [(ColourCategory, [UInt32])] = [
    (.black, [0x000000, 0x1A1A1A]), (.white, [0xFFFFFF, 0xF5F5F5]),
    (.gray, [0x808080, 0xA9A9A9, 0x555555, 0xC0C0C0, 0xD3D3D3]),
    (.red, [0xFF0000, 0xDC143C, 0xB22222, 0xE53935, 0x8B0000]),
    (.orange, [0xFFA500, 0xFF8C00, 0xFF7F50, 0xFF6F00]),
    (.yellow, [0xFFFF00, 0xFFD700, 0xFFEB3B, 0xF0E68C]),
    (.green, [0x008000, 0x00FF00, 0x228B22, 0x32CD32, 0x90EE90, 0x4CAF50, 0x808000, 0x006400]),
    (.blue, [0x0000FF, 0x000080, 0x1E90FF, 0x4169E1, 0x87CEEB, 0xADD8E6, 0x1976D2]),
    (.purple, [0x800080, 0x4B0082, 0x8A2BE2, 0x9370DB, 0xDA70D6]),
    (.pink, [0xFFC0CB, 0xFF69B4, 0xFF1493, 0xFF00FF]),
    (.brown, [0xA52A2A, 0x8B4513, 0x795548, 0x5D4037, 0xD2B48C]),
    (.cyan, [0x00FFFF, 0x40E0D0, 0x008080, 0x00BCD4]),
  ]

  private static let points: [(ColourCategory, SVGColour)] = prototypes.flatMap { category, codes in
    codes.map { code in
      (category, SVGColour(Double(code >> 16 & 255), Double(code >> 8 & 255), Double(code & 255)))
    }
  }

  /// The category whose nearest example in L*a*b* is nearest to the colour.
  package init(of colour: SVGColour) {
    var best: (ColourCategory, Double) = (.black, .infinity)
    for (category, point) in Self.points {
      let distance = point.distance(to: colour)
      if distance < best.1 { best = (category, distance) }
    }
    self = best.0
  }

  /// Whether a colour can pass for the one that a name asks for: near to it, or of its category.
  package static func matches(_ colour: SVGColour, name: String) -> Bool {
    guard let wanted = SVGColour.parse(name) else { return false }
    return colour.distance(to: wanted) < 20 || ColourCategory(of: colour) == ColourCategory(of: wanted)
  }
}
