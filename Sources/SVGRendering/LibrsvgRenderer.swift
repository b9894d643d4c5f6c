internal import CRsvg
internal import FileBytes
package import SVGAnalysis

/// Renders drawings with librsvg, which is loaded when the first renderer is made.
///
/// Only sanitized drawings are taken, so that librsvg sees nothing that loads or multiplies.
package struct LibrsvgRenderer: Sendable {
  /// The version of librsvg, which belongs to every score that is made of pictures.
  package let version: String

  /// Why the library cannot be used; `nil` when it can.
  private static let problem: String? = crsvg_load().map { String(cString: $0) }

  /// Creates a renderer.
  ///
  /// - Throws: ``RenderingError`` with `noLibrary` when the library is not there.
  package init() throws(RenderingError) {
    if let problem = Self.problem {
      throw RenderingError(
        .noLibrary,
        Fault(
          subject: "librsvg",
          expected: "the library that renders drawings (librsvg-2, version 2.46 or later)", found: problem,
          remedy: "install it, with apt-get install librsvg2-2, dnf install librsvg2 or brew install librsvg")
      )
    }
    var numbers: (UInt32, UInt32, UInt32) = (0, 0, 0)
    withUnsafeMutablePointer(to: &numbers) {
      $0.withMemoryRebound(to: UInt32.self, capacity: 3) { crsvg_version($0) }
    }
    version = "\(numbers.0).\(numbers.1).\(numbers.2)"
  }

  /// Renders a drawing on a transparent ground, whole and centred, without its text.
  ///
  /// The look of text depends on the fonts of the machine, and librsvg aborts the process on some wild font sizes.
  ///
  /// - Parameters:
  ///   - drawing: The drawing.
  ///   - width: Pixels per row, from 1 to 4096.
  ///   - height: Rows, from 1 to 4096.
  /// - Returns: The picture.
  /// - Throws: ``RenderingError``.
  package func render(_ drawing: SanitizedSVG, width: Int, height: Int) throws(RenderingError)
    -> RenderedImage
  {
    precondition((1...4096).contains(width) && (1...4096).contains(height), "pictures have a sensible size")
    var options = SanitizedSVG.WritingOptions()
    options.omitsText = true
    let source = Array(drawing.text(options).utf8)
    var picture = crsvg_picture()
    crsvg_render(source, source.count, Int32(width), Int32(height), &picture)
    defer { crsvg_free(&picture) }
    guard let data = picture.pixels else {
      if picture.is_out_of_memory != 0 {
        throw RenderingError(
          .noSurface,
          Fault(subject: "picture", expected: "\(width) x \(height) pixels", found: "no memory for them"))
      }
      let message = withUnsafeBytes(of: picture.message) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw RenderingError(
        .refused,
        Fault(subject: "svg", expected: "a drawing that librsvg \(version) renders", found: message))
    }
    let rows = UnsafeRawBufferPointer(start: data, count: picture.stride * height)
    let png = UnsafeBufferPointer(start: picture.png, count: picture.png_size)
    return RenderedImage(
      width: width, height: height, rgba: Self.pixels(rows, picture.stride, width, height), png: Array(png))
  }

  /// The pixels with colours divided by opacity.
  private static func pixels(_ rows: UnsafeRawBufferPointer, _ stride: Int, _ width: Int, _ height: Int)
    -> [UInt8]
  {
    var result: [UInt8] = []
    result.reserveCapacity(width * height * 4)
    for row in 0..<height {
      for column in 0..<width {
        let word = rows.load(fromByteOffset: row * stride + column * 4, as: UInt32.self)
        let alpha = word >> 24
        for shift in [16, 8, 0] as [UInt32] {
          let value = word >> shift & 255
          result.append(alpha == 0 ? 0 : UInt8(min((value * 255 + alpha / 2) / alpha, 255)))
        }
        result.append(UInt8(alpha))
      }
    }
    return result
  }
}
