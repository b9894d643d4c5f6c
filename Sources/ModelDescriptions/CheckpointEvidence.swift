/// What the files of a checkpoint say beyond the names, types and shapes of its tensors.
///
/// Two programs may store the same model under the same names with other values. Where names and shapes leave that
/// open, ``ModelDescription/describe(config:tensors:options:evidence:)`` looks here.
public struct CheckpointEvidence: Sendable {
  /// The values of `format` in the headers of the shards, such as `pt` and `mlx`.
  public var formats: Set<String>
  /// Reads all values of the small tensor of this name; `nil` when they are not at hand.
  public var values: @Sendable (_ name: String) throws -> [Float]?

  /// Creates evidence.
  public init(formats: Set<String>, values: @escaping @Sendable (_ name: String) throws -> [Float]?) {
    self.formats = formats
    self.values = values
  }
}
