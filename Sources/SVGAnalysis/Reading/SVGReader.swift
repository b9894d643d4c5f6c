internal import FileBytes
internal import Foundation

#if canImport(FoundationXML)
  internal import FoundationXML
#endif

/// Reads the source of a drawing into a tree, within limits.
///
/// What reaches the XML parser is valid UTF-8 of bounded size without a document type, so that there are no entities
/// to expand and nothing outside to load. Processing instructions and comments are dropped.
package enum SVGReader {
  /// Reads a drawing.
  ///
  /// - Parameters:
  ///   - source: The bytes of one `svg` element, perhaps after an XML declaration.
  ///   - limits: What is accepted.
  /// - Returns: The root element.
  /// - Throws: ``SVGError``.
  package static func read(_ source: [UInt8], limits: SVGLimits = SVGLimits()) throws(SVGError) -> SVGNode {
    guard source.count <= limits.byteCount else {
      throw SVGError(
        .tooLarge,
        Fault(subject: "svg", expected: "at most \(limits.byteCount) bytes", found: "\(source.count)"))
    }
    guard source.withUnsafeBytes({ String(utf8: $0) }) != nil else {
      throw SVGError(.notUTF8, Fault(subject: "svg", expected: "UTF-8", found: "bytes that are not"))
    }
    if let bad = source.firstIndex(where: { $0 < 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }) {
      throw SVGError(
        .badCharacter,
        Fault(subject: "svg", expected: "characters that XML allows", found: "byte \(source[bad]) at \(bad)"))
    }
    let prepared = try withoutProlog(source)
    let builder = TreeBuilder(limits: limits)
    let parser = XMLParser(data: Data(prepared))
    parser.shouldProcessNamespaces = false
    parser.shouldReportNamespacePrefixes = false
    parser.shouldResolveExternalEntities = false
    parser.delegate = builder
    let isWellFormed = parser.parse()
    if let error = builder.error { throw error }
    // A prefix without a declaration is forgiven: models write xlink:href without declaring it, browsers accept it.
    let code = (parser.parserError as NSError?)?.code
    let undeclaredPrefix = 201
    let isAccepted = isWellFormed && code == nil || code == undeclaredPrefix
    guard let root = builder.root, builder.isComplete, isAccepted else {
      throw SVGError(
        .notWellFormed,
        Fault(
          subject: "svg", expected: "well-formed XML",
          found: "an error in line \(max(parser.lineNumber, 1))" + (code.map { ", libxml2 code \($0)" } ?? "")
        ))
    }
    guard root.name == "svg" else {
      throw SVGError(
        .notSVG, Fault(subject: "svg", expected: "an svg element", found: String(root.name.prefix(40))))
    }
    return root
  }

  /// Reads a drawing from text.
  package static func read(_ source: String, limits: SVGLimits = SVGLimits()) throws(SVGError) -> SVGNode {
    try read(Array(source.utf8), limits: limits)
  }

  /// The source without byte-order mark, XML declaration and a plain document type.
  private static func withoutProlog(_ source: [UInt8]) throws(SVGError) -> ArraySlice<UInt8> {
    var rest = source[...]
    if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
    while true {
      rest = rest.drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
      let head = String(decoding: rest.prefix(9), as: UTF8.self).lowercased()
      let end: ArraySlice<UInt8>.Index?
      if head.hasPrefix("<?") {
        end = rest.firstRange(of: Array("?>".utf8))?.upperBound
      } else if head.hasPrefix("<!--") {
        end = rest.firstRange(of: Array("-->".utf8))?.upperBound
      } else if head.hasPrefix("<!doctype") {
        end = rest.firstIndex(of: UInt8(ascii: ">")).map { $0 + 1 }
        if let end, rest[..<end].contains(UInt8(ascii: "[")) {
          throw SVGError(
            .declaresEntities,
            Fault(subject: "DOCTYPE", expected: "no declarations", found: "an internal subset"))
        }
      } else {
        break
      }
      guard let end else {
        throw SVGError(
          .notWellFormed, Fault(subject: "svg", expected: "well-formed XML", found: "an unfinished prolog"))
      }
      rest = rest[end...]
    }
    if rest.firstRange(of: Array("<!DOCTYPE".utf8)) != nil
      || rest.firstRange(of: Array("<!ENTITY".utf8)) != nil
    {
      throw SVGError(
        .declaresEntities,
        Fault(subject: "DOCTYPE", expected: "no declarations", found: "one inside the drawing"))
    }
    return rest
  }
}

/// Builds the tree from the parser's events; the first violation ends it.
private final class TreeBuilder: NSObject, XMLParserDelegate {
  private let limits: SVGLimits
  private var stack: [SVGNode] = []
  private var elementCount = 0
  private(set) var root: SVGNode?
  private(set) var error: SVGError?

  var isComplete: Bool { stack.isEmpty }

  init(limits: SVGLimits) { self.limits = limits }

  private func stop(_ parser: XMLParser, _ code: SVGError.Code, _ limit: Int, _ what: String) {
    guard error == nil else { return }
    error = SVGError(code, Fault(subject: "svg", expected: "at most \(limit) \(what)", found: "more"))
    parser.abortParsing()
  }

  func parser(
    _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?,
    qualifiedName qName: String?, attributes attributeDict: [String: String] = [:]
  ) {
    guard error == nil else { return }
    elementCount += 1
    if elementCount > limits.elementCount {
      return stop(parser, .tooManyElements, limits.elementCount, "elements")
    }
    if stack.count >= limits.depth { return stop(parser, .tooDeep, limits.depth, "levels of elements") }
    let name = elementName.hasPrefix("svg:") ? String(elementName.dropFirst(4)) : elementName
    let attributes = attributeDict.map { SVGAttribute($0.key, $0.value) }.sorted { $0.name < $1.name }
    stack.append(SVGNode(name, attributes))
  }

  func parser(
    _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?,
    qualifiedName qName: String?
  ) {
    guard error == nil, let node = stack.popLast() else { return }
    if stack.isEmpty { root = root ?? node } else { stack[stack.count - 1].children.append(node) }
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { append(string) }

  func parser(_ parser: XMLParser, foundCDATA CDATABlock: Data) {
    append(String(decoding: CDATABlock, as: UTF8.self))
  }

  private func append(_ string: String) {
    guard error == nil, !stack.isEmpty else { return }
    let top = stack.count - 1
    if let last = stack[top].children.indices.last, stack[top].children[last].name == SVGNode.textName {
      stack[top].children[last].text += string
    } else {
      stack[top].children.append(SVGNode(text: string))
    }
  }
}
