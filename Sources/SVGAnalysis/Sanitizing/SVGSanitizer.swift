internal import FileBytes

/// Rebuilds a tree from listed elements, attributes and values.
struct SVGSanitizer {
  let limits: SVGLimits
  private(set) var removals: [SanitizedSVG.Removal] = []
  private var sheet = StyleSheet()
  private var numberCount = 0

  init(limits: SVGLimits) { self.limits = limits }

  mutating func run(_ root: SVGNode) throws(SVGError) -> (SVGNode, Box) {
    var sheet = StyleSheet()
    root.forEach { node in
      if node.name == "style" { sheet.add(node.children.map(\.text).joined()) }
    }
    self.sheet = sheet
    if sheet.importsOthers { note(.forbidden, "style/@import") }
    if sheet.hasUnknownRules { note(.unsupported, "style/selector") }
    let box = try Self.viewBox(root, limits)
    var clean = try element(root, isRoot: true)
    clean.attributes.removeAll { ["width", "height", "x", "y", "preserveAspectRatio"].contains($0.name) }
    let numbers = [box.minX, box.minY, box.width, box.height].map(NumberText.text).joined(separator: " ")
    clean.attributes.removeAll { $0.name == "viewBox" }
    clean.attributes.append(SVGAttribute("viewBox", numbers))
    clean.attributes.sort { $0.name < $1.name }
    return (clean, box)
  }

  private mutating func note(_ kind: SanitizedSVG.Removal.Kind, _ subject: String) {
    let removal = SanitizedSVG.Removal(kind: kind, subject: String(subject.prefix(60)))
    if !removals.contains(removal), removals.count < 100 { removals.append(removal) }
  }

  /// The root's coordinates: its `viewBox`, else its size, else CSS's 300 by 150.
  private static func viewBox(_ root: SVGNode, _ limits: SVGLimits) throws(SVGError) -> Box {
    func bad(_ found: String) -> SVGError {
      SVGError(
        .badViewBox,
        Fault(subject: "viewBox", expected: "a finite area", found: String(found.prefix(80))))
    }
    if let text = root["viewBox"] {
      let v = NumberScanner.list(text)
      guard v.count == 4, v.allSatisfy({ $0.magnitude <= limits.magnitude }), v[2] > 1e-6, v[3] > 1e-6 else {
        throw bad(text)
      }
      return Box(minX: v[0], minY: v[1], maxX: v[0] + v[2], maxY: v[1] + v[3])
    }
    func size(_ name: String, _ fallback: Double) -> Double {
      guard let text = root[name], let length = SVGLength(text), length.unit != "%" else { return fallback }
      return length.resolved(whole: 0, fontSize: 16)
    }
    let (width, height) = (size("width", 300), size("height", 150))
    guard (1e-6...limits.magnitude).contains(width), (1e-6...limits.magnitude).contains(height) else {
      throw bad("width \(root["width"] ?? "none"), height \(root["height"] ?? "none")")
    }
    return Box(minX: 0, minY: 0, maxX: width, maxY: height)
  }

  private mutating func element(_ node: SVGNode, isRoot: Bool = false) throws(SVGError) -> SVGNode {
    let name = SVGVocabulary.groups.contains(node.name) ? "g" : node.name
    var clean = SVGNode(name, try attributes(node, isRoot: isRoot))
    let holdsText = name == "text" || name == "tspan"
    for child in node.children {
      if child.name == SVGNode.textName {
        if holdsText { clean.children.append(child) }
      } else if SVGVocabulary.elements.contains(child.name) || SVGVocabulary.groups.contains(child.name) {
        clean.children.append(try element(child))
      } else {
        let isHarmless = SVGVocabulary.ignored.contains(child.name) || child.name.contains(":")
        if child.name != "title", child.name != "desc", child.name != "metadata", child.name != "style" {
          note(isHarmless ? .unsupported : .forbidden, child.name)
        }
        noteInside(child)
      }
    }
    return clean
  }

  /// Names what is forbidden inside something that is left out anyway.
  private mutating func noteInside(_ node: SVGNode) {
    for child in node.children where child.name != SVGNode.textName {
      if ["script", "foreignObject", "image", "iframe"].contains(child.name) { note(.forbidden, child.name) }
      noteInside(child)
    }
  }

  private mutating func attributes(_ node: SVGNode, isRoot: Bool) throws(SVGError) -> [SVGAttribute] {
    var values: [String: String] = [:]
    var styles: [(name: String, value: String)] = []
    for attribute in node.attributes {
      let (name, value) = (attribute.name, attribute.value)
      if SVGVocabulary.numeric.contains(name) {
        values[name] = try numeric(name, value, node)
      } else if SVGVocabulary.properties.contains(name) {
        values[name] = try property(name, value, node)
      } else if SVGVocabulary.keywords.contains(name) {
        if value.allSatisfy({ $0.isASCII && ($0.isLetter || $0 == " ") }) { values[name] = value }
      } else if name == "id" {
        if SVGVocabulary.isPlainID(value) { values[name] = value }
      } else if name == "href" || name == "xlink:href" {
        if let target = node.reference, SVGVocabulary.isPlainID(target) {
          values["href"] = "#" + target
        } else {
          note(.forbidden, "\(node.name)/@href")
        }
      } else if name == "style" {
        styles = StyleSheet.declarations(value)
      } else if name.lowercased().hasPrefix("on") {
        note(.forbidden, "\(node.name)/@\(name)")
      }
    }
    for (name, value) in sheet.declarations(for: node) + styles
    where SVGVocabulary.properties.contains(name) {
      if let value = try property(name, value, node) { values[name] = value }
    }
    if sheetLoads(styles) { note(.forbidden, "\(node.name)/@style") }
    return values.sorted { $0.key < $1.key }.map { SVGAttribute($0.key, $0.value) }
  }

  private func sheetLoads(_ styles: [(name: String, value: String)]) -> Bool {
    styles.contains { !SVGVocabulary.properties.contains($0.name) && $0.value.lowercased().contains("url(") }
  }

  /// A value of numbers, checked; `nil` leaves the attribute out.
  private mutating func numeric(_ name: String, _ value: String, _ node: SVGNode) throws(SVGError) -> String?
  {
    try checkNumbers(name, value, node)
    guard value.utf8.allSatisfy({ $0 < 0x80 && !"<>\"'&\\;:#@".utf8.contains($0) }) else { return nil }
    return value
  }

  /// Looks at every number in a value.
  private mutating func checkNumbers(_ name: String, _ value: String, _ node: SVGNode) throws(SVGError) {
    let isList = name == "d" || name == "points" || name == "stroke-dasharray"
    let lowered = isList ? "" : value.lowercased()
    var bad = lowered.contains("nan") || lowered.contains("inf") ? value : nil
    var scanner = NumberScanner(value)
    while !scanner.isAtEnd, bad == nil {
      let start = scanner.index
      if let number = scanner.number() {
        if isList { numberCount += 1 }
        if !(number.magnitude <= limits.magnitude) {
          bad = String(decoding: scanner.bytes[start..<scanner.index].prefix(40), as: UTF8.self)
        }
      } else {
        scanner.index += 1
      }
    }
    if let bad {
      throw SVGError(
        .numberOutOfRange,
        Fault(
          subject: "\(node.name)/@\(name)",
          expected: "numbers from \(-limits.magnitude) to \(limits.magnitude)",
          found: String(bad.prefix(40))))
    }
    if numberCount > limits.numberCount {
      throw SVGError(
        .tooManyNumbers,
        Fault(subject: "svg", expected: "at most \(limits.numberCount) numbers", found: "more"))
    }
  }

  /// A property's value, checked and written anew; `nil` leaves it out.
  private mutating func property(_ name: String, _ value: String, _ node: SVGNode) throws(SVGError) -> String?
  {
    if name == "clip-path" || SVGVocabulary.paints.contains(name) {
      guard let paint = SVGPaint.parse(value) else {
        if value.lowercased().contains("url(") { note(.forbidden, "\(node.name)/@\(name)") }
        return value == "inherit" ? value : nil
      }
      return text(of: paint, written: value, name, node)
    }
    if SVGVocabulary.numericProperties.contains(name) { try checkNumbers(name, value, node) }
    let lowered = value.lowercased()
    guard !lowered.contains("url("), !lowered.contains("javascript:"), !lowered.contains("expression(") else {
      note(.forbidden, "\(node.name)/@\(name)")
      return nil
    }
    let allowed = { (byte: UInt8) in
      (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || " ,.%+-()_'".utf8.contains(byte)
    }
    return value.utf8.allSatisfy(allowed) ? value : nil
  }

  private mutating func text(of paint: SVGPaint, written: String, _ name: String, _ node: SVGNode) -> String?
  {
    switch paint {
    case .none:
      if written.lowercased().contains("url(") { note(.forbidden, "\(node.name)/@\(name)") }
      return "none"
    case .currentColour: return "currentColor"
    case .reference(let id, let fallback):
      guard SVGVocabulary.isPlainID(id) else { return nil }
      return "url(#\(id))" + (fallback.map { " " + $0.hexText } ?? "")
    case .colour(let colour):
      // rgba() is CSS that some renderers do not take in attributes; it is split for fill and stroke when drawn.
      guard colour.alpha < 1 else { return colour.hexText }
      let numbers = [colour.red, colour.green, colour.blue].map { "\(Int($0.rounded()))" }
      return "rgba(\(numbers.joined(separator: ",")),\(NumberText.text(colour.alpha)))"
    }
  }
}

/// Bounds what references can multiply to.
enum ReferenceCost {
  /// Throws when references go in circles, too deep, or draw more elements than allowed.
  static func check(_ root: SVGNode, limits: SVGLimits) throws(SVGError) {
    var targets: [String: SVGNode] = [:]
    root.forEach { node in
      if let id = node["id"], targets[id] == nil { targets[id] = node }
    }
    var walk = Walk(targets: targets, limits: limits)
    _ = try walk.cost(root)
  }

  private struct Walk {
    let targets: [String: SVGNode]
    let limits: SVGLimits
    /// What is drawn for a target, and the longest chain of references below it.
    var known: [String: (count: Int, depth: Int)] = [:]
    var open: Set<String> = []

    mutating func cost(_ node: SVGNode) throws(SVGError) -> (count: Int, depth: Int) {
      var (sum, deepest) = (1, 0)
      for child in node.children where child.name != SVGNode.textName {
        let below = try cost(child)
        (sum, deepest) = (sum + below.count, max(deepest, below.depth))
        try bound(sum, deepest)
      }
      for id in references(node) {
        let below = try cost(id)
        (sum, deepest) = (sum + below.count, max(deepest, below.depth + 1))
        try bound(sum, deepest)
      }
      return (sum, deepest)
    }

    private func references(_ node: SVGNode) -> [String] {
      var ids: [String] = []
      if let target = node.reference { ids.append(target) }
      for name in ["clip-path", "fill", "stroke"] {
        if let value = node[name], case .reference(let id, _)? = SVGPaint.parse(value) { ids.append(id) }
      }
      return ids
    }

    private mutating func cost(_ id: String) throws(SVGError) -> (count: Int, depth: Int) {
      guard let target = targets[id] else { return (0, 0) }
      if let value = known[id] { return value }
      guard !open.contains(id) else {
        throw SVGError(
          .circularReference,
          Fault(subject: "#\(id)", expected: "references that end", found: "one that leads back to itself"))
      }
      // A chain that is still being followed is bounded before the stack feels it.
      try bound(0, open.count)
      open.insert(id)
      defer { open.remove(id) }
      let value = try cost(target)
      known[id] = value
      return value
    }

    private func bound(_ sum: Int, _ depth: Int) throws(SVGError) {
      guard depth <= limits.referenceDepth else {
        throw SVGError(
          .tooManyReferences,
          Fault(
            subject: "svg", expected: "chains of at most \(limits.referenceDepth) references", found: "more"))
      }
      guard sum <= limits.expandedElementCount else {
        throw SVGError(
          .tooManyReferences,
          Fault(
            subject: "svg",
            expected: "at most \(limits.expandedElementCount) elements once references are followed",
            found: "more"))
      }
    }
  }
}
