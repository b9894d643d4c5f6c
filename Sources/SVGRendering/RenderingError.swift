public import FileBytes

/// Why a drawing cannot be rendered.
public struct RenderingError: FaultError, Hashable {
  /// The kinds of failure.
  public enum Code: Hashable, Sendable {
    /// librsvg does not accept the drawing.
    case refused
    /// There is no memory for the picture, or no surface.
    case noSurface
  }

  /// The kind, for comparison in code and tests.
  public var code: Code
  /// The message.
  public var fault: Fault

  /// Creates an error.
  public init(_ code: Code, _ fault: Fault) {
    self.code = code
    self.fault = fault
  }

  /// A refused drawing is rejected input.
  public var faultClass: FaultClass { code == .refused ? .rejected : .failed }
}
