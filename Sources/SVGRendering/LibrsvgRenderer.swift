internal import CRsvg
public import FileBytes
public import SVGAnalysis

/// Renders drawings with librsvg.
///
/// Only sanitized drawings are taken, so that librsvg sees nothing that loads or multiplies.
public struct LibrsvgRenderer: Sendable {
  /// Creates a renderer.
  public init() {}

  /// The version of librsvg, which belongs to every score that is made of pictures.
  public static let version = "\(LIBRSVG_MAJOR_VERSION).\(LIBRSVG_MINOR_VERSION).\(LIBRSVG_MICRO_VERSION)"

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
  public func render(_ drawing: SanitizedSVG, width: Int, height: Int) throws(RenderingError)
    -> RenderedImage
  {
    precondition((1...4096).contains(width) && (1...4096).contains(height), "pictures have a sensible size")
    var options = SanitizedSVG.WritingOptions()
    options.omitsText = true
    let source = Array(drawing.text(options).utf8)
    var error: UnsafeMutablePointer<GError>?
    guard let handle = rsvg_handle_new_from_data(source, gsize(source.count), &error) else {
      throw Self.refused(error)
    }
    defer { g_object_unref(UnsafeMutableRawPointer(handle)) }
    // CSS has 96 pixels to the inch; librsvg's default is 90.
    rsvg_handle_set_dpi(handle, 96)
    guard let surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, Int32(width), Int32(height)) else {
      throw Self.noSurface(width, height)
    }
    defer { cairo_surface_destroy(surface) }
    guard cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS, let context = cairo_create(surface) else {
      throw Self.noSurface(width, height)
    }
    defer { cairo_destroy(context) }
    var viewport = RsvgRectangle(x: 0, y: 0, width: Double(width), height: Double(height))
    guard rsvg_handle_render_document(handle, context, &viewport, &error) != 0 else {
      throw Self.refused(error)
    }
    cairo_surface_flush(surface)
    return RenderedImage(
      width: width, height: height, rgba: Self.pixels(surface, width, height), png: Self.png(surface))
  }

  private static func refused(_ error: UnsafeMutablePointer<GError>?) -> RenderingError {
    let message = error.flatMap { $0.pointee.message }.map { String(cString: $0) } ?? "an unknown error"
    if let error { g_error_free(error) }
    return RenderingError(
      .refused, Fault(subject: "svg", expected: "a drawing that librsvg \(version) renders", found: message))
  }

  private static func noSurface(_ width: Int, _ height: Int) -> RenderingError {
    RenderingError(
      .noSurface,
      Fault(subject: "picture", expected: "\(width) x \(height) pixels", found: "no memory for them"))
  }

  /// The pixels with colours divided by opacity; cairo stores them as native 32-bit words, opacity in the top byte.
  private static func pixels(_ surface: OpaquePointer, _ width: Int, _ height: Int) -> [UInt8] {
    guard let data = cairo_image_surface_get_data(surface) else { return [] }
    let stride = Int(cairo_image_surface_get_stride(surface))
    let bytes = UnsafeRawBufferPointer(start: data, count: stride * height)
    var result: [UInt8] = []
    result.reserveCapacity(width * height * 4)
    for row in 0..<height {
      for column in 0..<width {
        let word = bytes.load(fromByteOffset: row * stride + column * 4, as: UInt32.self)
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

  private static func png(_ surface: OpaquePointer) -> [UInt8] {
    final class Sink { var bytes: [UInt8] = [] }
    let sink = Sink()
    let status = cairo_surface_write_to_png_stream(
      surface,
      { context, data, count in
        guard let context, let data else { return CAIRO_STATUS_WRITE_ERROR }
        Unmanaged<Sink>.fromOpaque(context).takeUnretainedValue().bytes
          .append(contentsOf: UnsafeBufferPointer(start: data, count: Int(count)))
        return CAIRO_STATUS_SUCCESS
      }, Unmanaged.passUnretained(sink).toOpaque())
    return status == CAIRO_STATUS_SUCCESS ? sink.bytes : []
  }
}
