/// A drawing that cannot run or load anything, and what was taken out to make it so.
///
/// It is made of listed elements and attributes alone. Styles are attributes, references stay within the document and
/// are known not to multiply without bound, numbers are finite. The root has a `viewBox` and no size.
package struct SanitizedSVG: Hashable, Sendable {
  /// One thing that was left out.
  package struct Removal: Hashable, Sendable {
    /// Why it was left out.
    package enum Kind: String, Hashable, Sendable, Codable {
      /// It could have run or loaded something, or is not a part of SVG.
      case forbidden
      /// It draws nothing here.
      case unsupported
    }

    /// Why it was left out.
    package var kind: Kind
    /// The element or attribute, such as `script` or `image/@href`.
    package var subject: String
  }

  /// The root element.
  package let root: SVGNode
  /// The coordinates of the picture.
  package let viewBox: Box
  /// What was left out, each subject once, in order of appearance.
  package let removals: [Removal]

  /// Whether everything was on the list, or harmless.
  package var isAllowed: Bool { !removals.contains { $0.kind == .forbidden } }

  /// Takes a drawing apart and builds it again from what is on the list.
  ///
  /// - Parameters:
  ///   - root: The root that ``SVGReader`` gave.
  ///   - limits: What the drawing may cost.
  /// - Throws: ``SVGError`` with `tooManyNumbers`, `numberOutOfRange`, `badViewBox`, `circularReference` or
  ///   `tooManyReferences`.
  package init(_ root: SVGNode, limits: SVGLimits = SVGLimits()) throws(SVGError) {
    var sanitizer = SVGSanitizer(limits: limits)
    let (clean, box) = try sanitizer.run(root)
    try ReferenceCost.check(clean, limits: limits)
    self.root = clean
    viewBox = box
    removals = sanitizer.removals
  }

  /// Reads and sanitizes a source.
  ///
  /// - Throws: ``SVGError``.
  package init(source: String, limits: SVGLimits = SVGLimits()) throws(SVGError) {
    try self.init(try SVGReader.read(source, limits: limits), limits: limits)
  }

  /// The tree without groups that say nothing, for comparing structures.
  package var outline: SVGNode { Self.unwrapped(root) }

  private static func unwrapped(_ node: SVGNode) -> SVGNode {
    var result = node
    result.children = node.children.flatMap { child -> [SVGNode] in
      let inner = unwrapped(child)
      let isNeutral = inner.name == "g" && inner.attributes.allSatisfy { $0.name == "id" }
      return isNeutral ? inner.children : [inner]
    }
    return result
  }
}
