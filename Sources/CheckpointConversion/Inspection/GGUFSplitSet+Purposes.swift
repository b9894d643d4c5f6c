package import GGUFFormat
package import ModelDescriptions
internal import TensorTypes

extension GGUFSplitSet {
  /// The rows of the token embedding; `nil` without one.
  package var embeddingRows: Int? {
    tensor(ModelFamily.tokenEmbeddingName)?.info.ggmlShape.dropFirst().first
  }

  /// What the tensors are for.
  package var purposes: TensorPurposes {
    TensorPurposes(metadata: metadata, embeddingRows: embeddingRows, names: tensors.map(\.info.name))
  }
}
