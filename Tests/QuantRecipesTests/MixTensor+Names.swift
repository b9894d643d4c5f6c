import ModelDescriptions
import QuantRecipes
import TensorTypes

extension MixTensor {
  /// A tensor whose purpose its own name tells.
  init(name: String, ggmlShape: [Int], type: TensorType) {
    self.init(name: name, ggmlShape: ggmlShape, type: type, purpose: TensorPurposes(names: [name])[name])
  }
}
