package import TensorTypes

/// What a tensor of a GGUF is for, and in which block.
package struct TensorPurpose: Hashable, Sendable {
  /// What it does in the model.
  package var role: TensorRole
  /// What engines do with it.
  package var use: TensorUse
  /// What it is for its part of the model; `nil` for tensors that no family has.
  package var slot: TensorSlot?
  /// The number of its block in the model; `nil` outside of blocks.
  package var block: Int?

  /// The purpose of a tensor that a rule makes.
  package init(_ slot: TensorSlot, block: Int?) {
    self.init(role: slot.role, use: slot.use, slot: slot, block: block)
  }

  init(role: TensorRole, use: TensorUse, slot: TensorSlot?, block: Int?) {
    self.role = role
    self.use = use
    self.slot = slot
    self.block = block
  }
}

/// What the tensors of a GGUF are for.
///
/// Where a family describes the architecture, its rules say it. Tensors that they do not make, and those of
/// architectures that no family describes, go by their names.
package struct TensorPurposes: Sendable {
  private let known: [String: TensorPurpose]
  private let names: TensorNames

  /// The purposes in a file of an architecture that no family describes.
  ///
  /// - Parameter names: All names in the file.
  package init(names: [String]) {
    known = [:]
    self.names = TensorNames(names)
  }

  /// The purposes in a file of a family.
  ///
  /// - Parameters:
  ///   - family: The family.
  ///   - model: The hyper-parameters.
  ///   - names: All names in the file.
  package init(family: ModelFamily, model: HyperParameters, names: [String]) {
    let apart = family.expectedTensors(model, allBiases: true)
    var known: [String: TensorPurpose] = [:]
    for tensor in apart { known[tensor.name] = TensorPurpose(tensor.slot, block: tensor.block) }
    for whole in family.fusedTensors(apart, model) {
      known[whole.name] = TensorPurpose(whole.slot, block: whole.block)
    }
    self.known = known
    self.names = TensorNames(names)
  }

  /// The purposes in a file of a vision tower.
  private init(_ tower: VisionTower, names: [String]) {
    known = Dictionary(tower.expectedTensors.map { ($0.name, TensorPurpose($0.slot, block: $0.block)) }) {
      first, _ in first
    }
    self.names = TensorNames(names)
  }

  /// The purposes in a file with these metadata.
  ///
  /// - Parameters:
  ///   - metadata: The entries of the file; where they do not describe a model, names decide.
  ///   - embeddingRows: The rows of the embedding, as ``HyperParameters/init(metadata:embeddingRows:file:)`` has them.
  ///   - names: All names in the file.
  package init(metadata: [MetadataEntry], embeddingRows: Int? = nil, names: [String]) {
    if let tower = try? VisionTower(metadata: metadata, shapes: [:], file: "") {
      self.init(tower, names: names)
      return
    }
    guard let family = ModelFamily.family(metadata: metadata),
      let model = try? HyperParameters(metadata: metadata, embeddingRows: embeddingRows, file: "")
    else {
      self.init(names: names)
      return
    }
    self.init(family: family, model: model, names: names)
  }

  /// The purpose of the tensor called `name`.
  package subscript(name: String) -> TensorPurpose { known[name] ?? names.purpose(of: name) }
}
