package import FileBytes

/// The kinds of refusal.
package enum SVGErrorCode: String, FaultCode, Codable {
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

/// Why a drawing is refused.
package typealias SVGError = CodedError<SVGErrorCode>
