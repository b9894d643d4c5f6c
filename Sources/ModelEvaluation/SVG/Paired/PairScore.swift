internal import SVGAnalysis

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// How like the base's drawing another is (layer B), from 0 to 1.
///
/// A pure function of two drawings: white space, the order of attributes and groups that say nothing have no
/// influence. Version `svg-score/1`.
package struct PairScore: Hashable, Sendable, Codable {
  /// The version of weights and formulas.
  package static let version = "svg-score/1"
  /// The weights of gates, agreement, structure, geometry and raster.
  package static let weights = [0.1, 0.2, 0.2, 0.25, 0.25]

  /// Gates that were not passed.
  package var failedGates: [DrawingGate]
  /// Canonical lexemes that agree before the first difference.
  package var agreeingLexemes: Int
  /// Canonical lexemes of the longer drawing.
  package var lexemeCount: Int
  /// `ln(1 + agreeing) / ln(1 + all)`.
  package var agreement: Double
  /// F1 of the multisets of (tag, fill, stroke).
  package var parts: Double
  /// Similarity of the trees.
  package var tree: Double
  /// Mean overlap of matched boxes.
  package var boxes: Double
  /// Nearness of outlines.
  package var outlines: Double
  /// Structural similarity of the pictures.
  package var luminance: Double
  /// Overlap of colour histograms.
  package var colours: Double
  /// F1 of edges.
  package var edges: Double

  /// The mean of parts and tree.
  package var structure: Double { (parts + tree) / 2 }
  /// The mean of boxes and outlines.
  package var geometry: Double { (boxes + outlines) / 2 }
  /// The mean of luminance, colours and edges.
  package var raster: Double { (luminance + colours + edges) / 3 }
  /// The weighted sum; 0 when any gate failed.
  package var total: Double {
    guard failedGates.isEmpty else { return 0 }
    let parts = [1, agreement, structure, geometry, raster]
    // What is missing from 1, so that equal drawings give exactly 1.
    return zip(Self.weights, parts).reduce(1) { $0 - $1.0 * (1 - $1.1) }
  }

  /// Compares a drawing with the base's.
  ///
  /// - Returns: `nil` when the base's own drawing failed a gate, so that there is nothing to compare with.
  package init?(base: DrawingAnalysis, other: DrawingAnalysis) {
    guard base.failedGates.isEmpty, let baseTree = base.sanitized, let baseDrawing = base.drawing else {
      return nil
    }
    failedGates = other.failedGates
    (agreeingLexemes, lexemeCount, agreement) = (0, 0, 0)
    (parts, tree, boxes, outlines, luminance, colours, edges) = (0, 0, 0, 0, 0, 0, 0)
    guard let otherTree = other.sanitized, let otherDrawing = other.drawing else { return }
    let (p, q) = (CanonicalLexemes.of(baseTree), CanonicalLexemes.of(otherTree))
    lexemeCount = max(p.count, q.count)
    agreeingLexemes = zip(p, q).prefix { $0 == $1 }.count
    agreement = lexemeCount == 0 ? 1 : log1p(Double(agreeingLexemes)) / log1p(Double(lexemeCount))
    parts = StructureScore.parts(baseDrawing, otherDrawing)
    tree = StructureScore.tree(baseTree, otherTree)
    boxes = GeometryScore.boxes(baseDrawing, otherDrawing)
    outlines = GeometryScore.outlines(baseDrawing, otherDrawing)
    if let a = base.image, let b = other.image, a.width == b.width, a.height == b.height {
      luminance = RasterScore.structure(a, b)
      colours = RasterScore.colours(a, b)
      edges = RasterScore.edges(a, b)
    }
  }
}

/// A drawing's source in pieces that do not depend on how it is written: tags, attributes by name, numbers one by one.
enum CanonicalLexemes {
  static func of(_ drawing: SanitizedSVG) -> [String] {
    var result: [String] = []
    visit(drawing.outline, &result)
    return result
  }

  private static func visit(_ node: SVGNode, _ result: inout [String]) {
    if node.name == SVGNode.textName {
      let words = node.text.split(whereSeparator: \.isWhitespace)
      result += words.map(String.init)
      return
    }
    result.append("<" + node.name)
    for attribute in node.attributes where attribute.name != "id" {
      result.append(attribute.name)
      result += split(attribute.value)
    }
    for child in node.children { visit(child, &result) }
    result.append("/" + node.name)
  }

  /// Letters and punctuation one by one, numbers whole, separators left out.
  private static func split(_ value: String) -> [String] {
    if value.hasPrefix("#") || value.hasPrefix("url(") { return [value] }
    let lexer = SVGLexer(Array("<a d=\"\(value)\"".utf8))
    let bytes = Array(value.utf8)
    let offset = 6
    var result: [String] = []
    var index = 0
    var next = 0
    while index < bytes.count {
      while next < lexer.numbers.count, lexer.numbers[next].upperBound - offset <= index { next += 1 }
      if next < lexer.numbers.count, lexer.numbers[next].lowerBound - offset == index {
        let range = (lexer.numbers[next].lowerBound - offset)..<(lexer.numbers[next].upperBound - offset)
        let text = String(decoding: bytes[range], as: UTF8.self)
        result.append(Double(text).map { "\($0)" } ?? text)
        index = range.upperBound
      } else {
        let byte = bytes[index]
        if byte > 0x20, byte != UInt8(ascii: ",") { result.append(String(UnicodeScalar(byte))) }
        index += 1
      }
    }
    return result
  }
}
