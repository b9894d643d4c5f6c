/// A picture of 8-bit pixels.
package struct RenderedImage: Hashable, Sendable {
  /// Pixels per row.
  package let width: Int
  /// Rows.
  package let height: Int
  /// Red, green, blue, opacity of each pixel, row after row; colours are not multiplied with opacity.
  package let rgba: [UInt8]
  /// The picture as a PNG file.
  package let png: [UInt8]
}
