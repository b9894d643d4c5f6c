package import FileBytes

/// The kinds of failure.
package enum RenderingErrorCode: FaultCode {
  /// librsvg does not accept the drawing.
  case refused
  /// There is no memory for the picture, or no surface.
  case noSurface
  /// librsvg is not on this machine.
  case noLibrary

  /// A refused drawing is rejected input.
  package var faultClass: FaultClass { self == .refused ? .rejected : .failed }
}

/// Why a drawing cannot be rendered.
package typealias RenderingError = CodedError<RenderingErrorCode>
