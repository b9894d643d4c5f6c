/// What the files of a checkpoint say beyond the names, types and shapes of its tensors.
///
/// Two programs may store the same model under the same names with other values. Where names and shapes leave that
/// open, ``ModelDescription/describe(config:tensors:options:evidence:)`` looks here.
package struct CheckpointEvidence: Sendable {
  /// The values of `format` in the headers of the shards, such as `pt` and `mlx`.
  package var formats: Set<String>
  /// Reads all values of the small tensor of this name; `nil` when they are not at hand.
  package var values: @Sendable (_ name: String) throws -> [Float]?

  /// Creates evidence.
  package init(formats: Set<String>, values: @escaping @Sendable (_ name: String) throws -> [Float]?) {
    self.formats = formats
    self.values = values
  }
}
