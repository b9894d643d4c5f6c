/// A picture of 8-bit pixels.
public struct RenderedImage: Hashable, Sendable {
  /// Pixels per row.
  public let width: Int
  /// Rows.
  public let height: Int
  /// Red, green, blue, opacity of each pixel, row after row; colours are not multiplied with opacity.
  public let rgba: [UInt8]
  /// The picture as a PNG file.
  public let png: [UInt8]
}
