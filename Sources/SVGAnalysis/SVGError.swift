public import FileBytes

/// Why a drawing is refused.
public struct SVGError: FaultError, Hashable {
  /// The kinds of refusal.
  public enum Code: String, Hashable, Sendable, Codable {
    case tooLarge
    case notUTF8
    /// A character that XML does not allow, such as NUL.
    case badCharacter
    /// A document type with declarations of its own, the door to entity bombs.
    case declaresEntities
    case notWellFormed
    /// The root element is something else.
    case notSVG
    case tooManyElements
    case tooDeep
    case tooManyNumbers
    /// An infinity, a NaN, or a magnitude beyond the limit.
    case numberOutOfRange
    /// References that go around in a circle.
    case circularReference
    /// References that multiply beyond the limit.
    case tooManyReferences
    /// Outlines with more points than the limit.
    case tooManyPoints
    /// A `viewBox` or size without an area.
    case badViewBox
  }

  /// The kind, for comparison in code and tests.
  public var code: Code
  /// The message.
  public var fault: Fault

  /// Creates an error.
  @inline(never)
  public init(_ code: Code, _ fault: Fault) {
    self.code = code
    self.fault = fault
  }

  /// Bad drawings are rejected input.
  public var faultClass: FaultClass { .rejected }
}
