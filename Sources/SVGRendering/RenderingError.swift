public import FileBytes

/// The kinds of failure.
public enum RenderingErrorCode: FaultCode {
  /// librsvg does not accept the drawing.
  case refused
  /// There is no memory for the picture, or no surface.
  case noSurface
  /// librsvg is not on this machine.
  case noLibrary

  /// A refused drawing is rejected input.
  public var faultClass: FaultClass { self == .refused ? .rejected : .failed }
}

/// Why a drawing cannot be rendered.
public typealias RenderingError = CodedError<RenderingErrorCode>
