internal import FileBytes
package import SVGAnalysis

/// A picture of 8-bit pixels: red, green, blue, opacity, row after row.
package struct PixelImage: Hashable, Sendable {
  /// Pixels per row.
  package var width: Int
  /// Rows.
  package var height: Int
  /// Four bytes a pixel, colours not multiplied with opacity.
  package var rgba: [UInt8]

  /// Creates a picture.
  package init(width: Int, height: Int, rgba: [UInt8]) {
    self.width = width
    self.height = height
    self.rgba = rgba
  }
}

/// The conditions that an answer must meet before it is compared.
package enum DrawingGate: String, CaseIterable, Hashable, Sendable, Codable {
  /// There is an `svg` element in the answer.
  case extracted
  /// The answer ended by itself, and so did the drawing.
  case finished
  /// The drawing is well-formed and within the reader's limits.
  case wellFormed
  /// Nothing in it could run, load, or is unknown to SVG.
  case allowed
  /// Something of it can be seen.
  case visible
}

/// An answer taken apart once, for all comparisons.
package struct DrawingAnalysis: Sendable {
  /// The answer as written.
  package let answer: String
  /// The drawing in it.
  package let extraction: SVGExtraction?
  /// The harmless drawing, if it can be read.
  package let sanitized: SanitizedSVG?
  /// Its geometry.
  package let drawing: Drawing?
  /// Gates that were not passed, in order.
  package let failedGates: [DrawingGate]
  /// Why the drawing cannot be read, in one line; empty when it can.
  package let problem: String
  /// The rendered picture, 256 by 256 pixels, without text.
  package let image: PixelImage?

  /// Takes an answer apart.
  ///
  /// - Parameters:
  ///   - answer: What the model wrote.
  ///   - isFinished: Whether the model ended it.
  ///   - render: Renders a harmless drawing at 256 by 256 pixels; `nil` when that fails.
  package init(answer: String, isFinished: Bool, render: (SanitizedSVG) -> PixelImage?) {
    self.answer = answer
    let found = SVGExtraction.find(in: answer)
    extraction = found
    var failed: Set<DrawingGate> = []
    var problem = ""
    var sanitized: SanitizedSVG?
    var drawing: Drawing?
    if let found {
      do throws(SVGError) {
        let clean = try SanitizedSVG(source: found.source)
        sanitized = clean
        drawing = try Drawing(clean)
      } catch {
        problem = error.description
      }
    } else {
      problem = "no svg element in the answer"
      failed.insert(.extracted)
    }
    if !isFinished || found?.isSalvaged ?? true { failed.insert(.finished) }
    if drawing == nil { failed.insert(.wellFormed) }
    if !(sanitized?.isAllowed ?? false) { failed.insert(.allowed) }
    image = drawing == nil ? nil : sanitized.flatMap(render)
    let isVisible = drawing.map { drawing in
      drawing.shapes.contains { shape in
        let seen = shape.box.intersection(drawing.viewBox)
        return !seen.isEmpty && max(seen.width, seen.height) > 0.005 * drawing.size
      }
    }
    if !(isVisible ?? false) { failed.insert(.visible) }
    failedGates = DrawingGate.allCases.filter(failed.contains)
    self.sanitized = sanitized
    self.drawing = drawing
    self.problem = problem
  }
}
