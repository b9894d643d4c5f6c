/// A drawing as a list of shapes, back to front.
package struct Drawing: Sendable {
  /// The coordinates of the picture.
  package let viewBox: Box
  /// What is drawn, back to front; things without colour or size are left out.
  package let shapes: [Shape]
  private let limits: SVGLimits

  /// Works out the geometry of a drawing.
  ///
  /// - Parameters:
  ///   - drawing: The sanitized source.
  ///   - limits: What the geometry may cost.
  /// - Throws: ``SVGError`` with `tooManyPoints`.
  package init(_ drawing: SanitizedSVG, limits: SVGLimits = SVGLimits()) throws(SVGError) {
    var builder = ShapeBuilder(drawing, limits: limits)
    try builder.run()
    viewBox = drawing.viewBox
    shapes = builder.shapes
    self.limits = limits
  }

  /// The larger side of the `viewBox`, the unit of relative distances.
  package var size: Double { max(viewBox.width, viewBox.height) }

  /// The box of everything that is drawn, within the picture.
  package var contentBox: Box {
    shapes.reduce(Box.empty) { $0.union($1.box) }.intersection(viewBox)
  }

  /// The frontmost shape at a point that covers what is behind it, text aside.
  package func top(at point: Point) -> Shape? {
    shapes.last {
      !$0.isText && ($0.fill?.alpha ?? 0 > 0.5 || $0.stroke?.alpha ?? 0 > 0.5) && $0.contains(point)
    }
  }

  /// The colour at a point: the stroke where it covers, else the fill.
  package func colour(at point: Point) -> SVGColour? {
    guard let shape = top(at: point) else { return nil }
    let isOnStroke =
      shape.stroke != nil && shape.strokePieces.contains { Winding.contains([$0], point, isEvenOdd: false) }
    return isOnStroke ? shape.stroke : shape.fill ?? shape.stroke
  }

  /// The map from the `viewBox` into a picture of pixels, whole and centred.
  package func pixelMap(width: Int, height: Int) -> Affine {
    let scale = min(Double(width) / viewBox.width, Double(height) / viewBox.height)
    return Affine(
      scale, 0, 0, scale, (Double(width) - scale * viewBox.width) / 2 - scale * viewBox.minX,
      (Double(height) - scale * viewBox.height) / 2 - scale * viewBox.minY)
  }

  /// The opacity of every pixel of a picture, text aside.
  ///
  /// - Parameters:
  ///   - width: Pixels per row.
  ///   - height: Rows.
  /// - Returns: The opacity of each pixel.
  /// - Throws: ``SVGError`` with `tooManyPoints` when filling would take too long.
  package func mask(width: Int, height: Int) throws(SVGError) -> CoverageMask {
    let map = pixelMap(width: width, height: height)
    var mask = CoverageMask(width: width, height: height)
    var budget = limits.crossingCount
    func fill(_ polygons: [[Point]], _ isEvenOdd: Bool) throws(SVGError) -> CoverageMask {
      var rasterizer = MaskRasterizer(width: width, height: height)
      for polygon in polygons { rasterizer.add(polygon.map(map.apply)) }
      budget -= rasterizer.crossingCount
      guard budget >= 0 else { throw PathData.tooMany() }
      return rasterizer.fill(isEvenOdd: isEvenOdd)
    }
    for shape in shapes where !shape.isText {
      var layers: [(CoverageMask, Double)] = []
      if let colour = shape.fill {
        layers.append((try fill(shape.outline.map(\.points), shape.isEvenOdd), colour.alpha))
      }
      if let colour = shape.stroke { layers.append((try fill(shape.strokePieces, false), colour.alpha)) }
      for (unclipped, alpha) in layers {
        var layer = unclipped
        for clip in shape.clips {
          var area = CoverageMask(width: width, height: height)
          for part in clip.parts { area.composite(try fill(part.polygons, part.isEvenOdd), alpha: 1) }
          layer.multiply(area)
        }
        mask.composite(layer, alpha: Float(alpha))
      }
    }
    return mask
  }
}
