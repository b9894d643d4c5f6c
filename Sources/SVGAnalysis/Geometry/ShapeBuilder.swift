/// Walks a sanitized tree and collects shapes.
struct ShapeBuilder {
  private(set) var shapes: [Shape] = []

  private let root: SVGNode
  private let viewBox: Box
  private let limits: SVGLimits
  private let targets: [String: SVGNode]
  /// The largest distance between a curve and its polyline, in `viewBox` units.
  private let tolerance: Double
  private var budget: Int
  private var dashBudget: Int

  /// What is handed down the tree.
  private struct Context {
    var style = SVGStyle()
    var map = Affine.identity
    /// The product of the opacities of all groups.
    var opacity = 1.0
    var clips: [ClipArea] = []
    /// What percentages refer to.
    var viewport: Box
  }

  init(_ drawing: SanitizedSVG, limits: SVGLimits) {
    root = drawing.root
    viewBox = drawing.viewBox
    self.limits = limits
    var targets: [String: SVGNode] = [:]
    drawing.root.forEach { node in
      if let id = node["id"], targets[id] == nil { targets[id] = node }
    }
    self.targets = targets
    tolerance = max(drawing.viewBox.width, drawing.viewBox.height) / 4_000
    budget = limits.pointCount
    dashBudget = limits.dashCount
  }

  mutating func run() throws(SVGError) {
    var context = Context(viewport: viewBox)
    context.style.apply(root)
    context.opacity = context.style.opacity
    guard context.style.isDisplayed else { return }
    for child in root.children { try visit(child, context) }
  }

  private mutating func visit(_ node: SVGNode, _ parent: Context) throws(SVGError) {
    switch node.name {
    case SVGNode.textName, "defs", "symbol", "linearGradient", "radialGradient", "stop", "clipPath": return
    default: break
    }
    var context = parent
    context.style = parent.style.inherited
    context.style.apply(node)
    guard context.style.isDisplayed else { return }
    context.opacity *= context.style.opacity
    if let text = node["transform"], let map = Affine.parse(text) {
      context.map = parent.map.concatenating(map)
    }
    if let id = context.style.clip, let area = try clipArea(id, node, context) { context.clips.append(area) }
    switch node.name {
    case "g":
      for child in node.children { try visit(child, context) }
    case "svg": try enterViewport(node, context)
    case "use": try visitUse(node, context)
    case "text": addText(node, context)
    default:
      let path = ShapePath.path(of: node, viewport: context.viewport, fontSize: context.style.fontSize)
      if let path { try add(node, path, context) }
    }
  }

  private func length(_ node: SVGNode, _ name: String, _ whole: Double, _ context: Context) -> Double? {
    node[name].flatMap(SVGLength.init)?.resolved(whole: whole, fontSize: context.style.fontSize)
  }

  private mutating func visitUse(_ node: SVGNode, _ parent: Context) throws(SVGError) {
    guard let id = node.reference, let target = targets[id] else { return }
    var context = parent
    let x = length(node, "x", parent.viewport.width, parent) ?? 0
    let y = length(node, "y", parent.viewport.height, parent) ?? 0
    context.map = parent.map.concatenating(Affine(1, 0, 0, 1, x, y))
    if target.name == "symbol" || target.name == "svg" {
      var instance = target
      for name in ["width", "height"] {
        guard let value = node[name] else { continue }
        instance.attributes.removeAll { $0.name == name }
        instance.attributes.append(SVGAttribute(name, value))
      }
      context.style = parent.style.inherited
      context.style.apply(instance)
      context.opacity *= context.style.opacity
      if context.style.isDisplayed { try enterViewport(instance, context) }
    } else {
      try visit(target, context)
    }
  }

  /// The children of a nested `svg` or a `symbol`, placed by its size and `viewBox`.
  private mutating func enterViewport(_ node: SVGNode, _ parent: Context) throws(SVGError) {
    let isSymbol = node.name == "symbol"
    let x = isSymbol ? 0 : length(node, "x", parent.viewport.width, parent) ?? 0
    let y = isSymbol ? 0 : length(node, "y", parent.viewport.height, parent) ?? 0
    let width = length(node, "width", parent.viewport.width, parent) ?? parent.viewport.width
    let height = length(node, "height", parent.viewport.height, parent) ?? parent.viewport.height
    guard width > 0, height > 0 else { return }
    var context = parent
    let frame = [
      Point(x, y), Point(x + width, y), Point(x + width, y + height), Point(x, y + height),
    ].map(parent.map.apply)
    context.clips.append(
      ClipArea(parts: [([frame], false)], box: frame.reduce(into: Box.empty) { $0.add($1) }))
    let v = NumberScanner.list(node["viewBox"] ?? "")
    if v.count == 4, v[2] > 0, v[3] > 0 {
      var (sx, sy) = (width / v[2], height / v[3])
      var (dx, dy) = (0.0, 0.0)
      let fit = node["preserveAspectRatio"] ?? "xMidYMid"
      if !fit.hasPrefix("none") {
        let scale = fit.hasSuffix("slice") ? max(sx, sy) : min(sx, sy)
        (sx, sy) = (scale, scale)
        func share(_ axis: String) -> Double {
          fit.contains(axis + "Min") ? 0 : fit.contains(axis + "Max") ? 1 : 0.5
        }
        dx = (width - v[2] * scale) * share("x")
        dy = (height - v[3] * scale) * share("Y")
      }
      context.map = parent.map.concatenating(
        Affine(sx, 0, 0, sy, x + dx - v[0] * sx, y + dy - v[1] * sy))
      context.viewport = Box(minX: v[0], minY: v[1], maxX: v[0] + v[2], maxY: v[1] + v[3])
    } else {
      context.map = parent.map.concatenating(Affine(1, 0, 0, 1, x, y))
      context.viewport = Box(minX: 0, minY: 0, maxX: width, maxY: height)
    }
    for child in node.children { try visit(child, context) }
  }

  private mutating func add(_ node: SVGNode, _ path: PathData, _ context: Context) throws(SVGError) {
    let scale = context.map.largestScale
    guard context.map.isFinite, scale > 0, context.style.isVisible, !path.steps.isEmpty else { return }
    let local = try path.flattened(tolerance: tolerance / scale, budget: &budget)
    let fill = node.name == "line" ? nil : colour(context.style.fill, context, context.style.fillOpacity)
    let stroke = colour(context.style.stroke, context, context.style.strokeOpacity)
    let diagonal = ((pow2(context.viewport.width) + pow2(context.viewport.height)) / 2).squareRoot()
    let width =
      context.style.strokeWidth?.resolved(whole: diagonal, fontSize: context.style.fontSize) ?? 1
    var pieces: [[Point]] = []
    if stroke != nil, width > 0 {
      var stroker = Stroker(width: width, style: context.style, tolerance: tolerance / scale)
      for line in local { stroker.add(line, dashLimit: dashBudget) }
      if !context.style.dashes.isEmpty { dashBudget = max(0, dashBudget - stroker.pieces.count) }
      let mirror = context.map.determinant < 0
      pieces = stroker.pieces.map { piece in
        let points = piece.map(context.map.apply)
        return mirror ? points.reversed() : points
      }
    }
    let outline = local.map { $0.transformed(context.map) }
    var outlineBox = Box.empty
    for line in outline { for point in line.points { outlineBox.add(point) } }
    var box = fill == nil ? Box.empty : outlineBox
    for piece in pieces { for point in piece { box.add(point) } }
    for clip in context.clips {
      outlineBox = outlineBox.intersection(clip.box)
      box = box.intersection(clip.box)
    }
    guard fill != nil || !pieces.isEmpty, !box.isEmpty else { return }
    shapes.append(
      Shape(
        tag: node.name, fill: fill, stroke: pieces.isEmpty ? nil : stroke,
        strokeWidth: pieces.isEmpty ? 0 : width * scale, outline: outline, outlineBox: outlineBox, box: box,
        text: "", isEvenOdd: context.style.isEvenOdd, strokePieces: pieces, clips: context.clips))
  }

  private func pow2(_ value: Double) -> Double { value * value }

  /// A paint as one colour, `nil` when nothing would be seen.
  private func colour(_ paint: SVGPaint, _ context: Context, _ opacity: Double) -> SVGColour? {
    var colour: SVGColour
    switch paint {
    case .none: return nil
    case .currentColour: colour = context.style.colour
    case .colour(let value): colour = value
    case .reference(let id, let fallback):
      guard let mean = gradientMean(id, depth: 0) ?? fallback else { return nil }
      colour = mean
    }
    colour.alpha *= opacity * context.opacity
    return colour.alpha > 0 ? colour : nil
  }

  /// The mean of a gradient's stops; stops may be another gradient's.
  private func gradientMean(_ id: String, depth: Int) -> SVGColour? {
    guard let node = targets[id], node.name.hasSuffix("Gradient"), depth < 8 else { return nil }
    let stops = node.children.filter { $0.name == "stop" }
    guard !stops.isEmpty else { return node.reference.flatMap { gradientMean($0, depth: depth + 1) } }
    var sum = (0.0, 0.0, 0.0, 0.0)
    for stop in stops {
      let colour = stop["stop-color"].flatMap(SVGColour.parse) ?? .black
      let opacity = stop["stop-opacity"].flatMap(SVGLength.init)?.value ?? 1
      sum = (
        sum.0 + colour.red, sum.1 + colour.green, sum.2 + colour.blue,
        sum.3 + colour.alpha * min(max(opacity, 0), 1)
      )
    }
    let n = Double(stops.count)
    return SVGColour(sum.0 / n, sum.1 / n, sum.2 / n, alpha: sum.3 / n)
  }

  private mutating func clipArea(_ id: String, _ node: SVGNode, _ context: Context) throws(SVGError)
    -> ClipArea?
  {
    guard let target = targets[id], target.name == "clipPath" else { return nil }
    var map = context.map
    if let text = target["transform"], let own = Affine.parse(text) { map = map.concatenating(own) }
    if target["clipPathUnits"] == "objectBoundingBox" {
      let path = ShapePath.path(of: node, viewport: context.viewport, fontSize: context.style.fontSize)
      guard let path else { return nil }
      let lines = try path.flattened(tolerance: tolerance, budget: &budget)
      let box = lines.flatMap(\.points).reduce(into: Box.empty) { $0.add($1) }
      map = map.concatenating(Affine(box.width, 0, 0, box.height, box.minX, box.minY))
    }
    var area = ClipArea(parts: [], box: .empty)
    var style = SVGStyle()
    style.apply(target)
    for child in target.children {
      try addClipPart(child, map, style.inherited, context, &area, depth: 0)
    }
    return area
  }

  private mutating func addClipPart(
    _ node: SVGNode, _ parent: Affine, _ inherited: SVGStyle, _ context: Context, _ area: inout ClipArea,
    depth: Int
  ) throws(SVGError) {
    var style = inherited
    style.apply(node)
    guard style.isDisplayed, style.isVisible, depth < limits.referenceDepth else { return }
    var map = parent
    if let text = node["transform"], let own = Affine.parse(text) { map = map.concatenating(own) }
    if node.name == "use", let id = node.reference, let target = targets[id] {
      let x = length(node, "x", context.viewport.width, context) ?? 0
      let y = length(node, "y", context.viewport.height, context) ?? 0
      let placed = map.concatenating(Affine(1, 0, 0, 1, x, y))
      return try addClipPart(target, placed, style.inherited, context, &area, depth: depth + 1)
    }
    guard let path = ShapePath.path(of: node, viewport: context.viewport, fontSize: style.fontSize) else {
      return
    }
    let scale = max(map.largestScale, 1e-12)
    let lines = try path.flattened(tolerance: tolerance / scale, budget: &budget).map { $0.transformed(map) }
    for line in lines { for point in line.points { area.box.add(point) } }
    area.parts.append((lines.map(\.points), style.clipIsEvenOdd))
  }

  /// Text as a box: six tenths of the font size per character, from the baseline.
  private mutating func addText(_ node: SVGNode, _ context: Context) {
    var text = ""
    node.forEach { text += $0.text }
    text = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    guard !text.isEmpty, context.map.isFinite, context.style.isVisible else { return }
    guard let fill = colour(context.style.fill, context, context.style.fillOpacity) else { return }
    let inner = node.children.first { $0.name == "tspan" }
    func place(_ name: String, _ whole: Double) -> Double {
      length(node, name, whole, context) ?? inner.flatMap { length($0, name, whole, context) } ?? 0
    }
    let x = place("x", context.viewport.width)
    let y = place("y", context.viewport.height)
    let size = context.style.fontSize
    let width = 0.6 * size * Double(text.count)
    let anchor: Double = ["middle": 0.5, "end": 1][context.style.textAnchor] ?? 0
    let left = x - anchor * width
    let isCentred = ["middle", "central"].contains(node["dominant-baseline"] ?? "")
    let bottom = y + (isCentred ? 0.35 * size : 0)
    let corners = [
      Point(left, bottom - 0.7 * size), Point(left + width, bottom - 0.7 * size), Point(left + width, bottom),
      Point(left, bottom),
    ].map(context.map.apply)
    let box = corners.reduce(into: Box.empty) { $0.add($1) }
    shapes.append(
      Shape(
        tag: "text", fill: fill, stroke: nil, strokeWidth: 0, outline: [], outlineBox: box, box: box,
        text: text, isEvenOdd: false, strokePieces: [], clips: context.clips))
  }
}
