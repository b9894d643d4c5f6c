package import TensorCompute

/// A matrix that other weights may take the place of.
package struct ReplaceableMatrix {
  /// The name of the tensor in the file; that of the whole where the matrix is a part of it.
  package var name: String
  /// The weights; of a stack, those of one matrix.
  package var weights: WeightMatrix
  /// The number of the matrix in its stack; `nil` where there is no stack.
  package var index: Int?
}

extension LoadedModel {
  /// The same model with other weights in some tensors, everything else shared.
  ///
  /// - Parameters:
  ///   - layer: The layer of the tensors; `nil` for the embedding and the output matrix.
  ///   - names: The tensors, by their names in the file.
  ///   - make: Makes the new weights of a matrix, of the same shape.
  /// - Returns: The model.
  /// - Throws: What `make` throws.
  package func replacing(
    layer: Int?, _ names: Set<String>, with make: (ReplaceableMatrix) throws -> WeightMatrix
  ) throws -> LoadedModel {
    var changed = weights
    func matrix(_ old: NamedMatrix) throws -> NamedMatrix {
      guard names.contains(old.name) else { return old }
      return NamedMatrix(
        name: old.name, weights: try make(ReplaceableMatrix(name: old.name, weights: old.weights)))
    }
    func stack(_ old: ExpertStack) throws -> ExpertStack {
      guard names.contains(old.name) else { return old }
      let experts = try old.experts.enumerated().map {
        try make(ReplaceableMatrix(name: old.name, weights: $1, index: $0))
      }
      return ExpertStack(name: old.name, experts: experts, whole: nil)
    }
    if let layer {
      changed.layers[layer] = try changed.layers[layer].mapped(matrix, stack)
    } else {
      let isTied = changed.output.name == changed.embedding.name
      changed.embedding = try matrix(changed.embedding)
      changed.output = try isTied ? changed.embedding : matrix(changed.output)
    }
    return LoadedModel(self, weights: changed)
  }

  /// The names of all tensors whose weights can be replaced, as ``replacing(layer:_:with:)`` takes them.
  package func replaceableNames(layer: Int?) throws -> Set<String> {
    guard let layer else { return [weights.embedding.name, weights.output.name] }
    var names: Set<String> = []
    _ = try weights.layers[layer].mapped(
      {
        names.insert($0.name); return $0
      },
      {
        names.insert($0.name); return $0
      })
    return names
  }
}

extension DecoderLayer {
  /// The layer with other matrices; routers and what scales shared experts stay, as they are never quantized.
  fileprivate func mapped(
    _ matrix: (NamedMatrix) throws -> NamedMatrix, _ stack: (ExpertStack) throws -> ExpertStack
  ) throws -> DecoderLayer {
    var result = self
    func dense(_ old: DenseWeights) throws -> DenseWeights {
      var new = old
      new.gate = try matrix(old.gate)
      new.up = try matrix(old.up)
      new.down = try matrix(old.down)
      return new
    }
    func experts(_ old: ExpertWeights) throws -> ExpertWeights {
      var new = old
      new.gate = try stack(old.gate)
      new.up = try stack(old.up)
      new.down = try stack(old.down)
      new.shared = try old.shared.map(dense)
      return new
    }
    switch mixer {
    case .attention(let part, var weights):
      weights.query = try matrix(weights.query)
      weights.key = try matrix(weights.key)
      weights.value = try weights.value.map(matrix)
      weights.output = try matrix(weights.output)
      result.mixer = .attention(part, weights)
    case .latent(let part, var weights):
      switch weights.query {
      case .direct(let query): weights.query = .direct(try matrix(query))
      case .narrowed(let down, let norm, let up):
        weights.query = .narrowed(down: try matrix(down), norm: norm, up: try matrix(up))
      }
      weights.latent = try matrix(weights.latent)
      weights.key = try stack(weights.key)
      weights.value = try stack(weights.value)
      weights.output = try matrix(weights.output)
      result.mixer = .latent(part, weights)
    case .deltaNet(let part, var weights):
      weights.queryKeyValue = try matrix(weights.queryKeyValue)
      weights.gate = try matrix(weights.gate)
      switch weights.gates {
      case .separate(let beta, let alpha):
        weights.gates = .separate(beta: try matrix(beta), alpha: try matrix(alpha))
      case .perKeyHead(let both): weights.gates = .perKeyHead(try matrix(both))
      }
      weights.output = try matrix(weights.output)
      result.mixer = .deltaNet(part, weights)
    case .shortConvolution(let part, var weights):
      weights.input = try matrix(weights.input)
      weights.output = try matrix(weights.output)
      result.mixer = .shortConvolution(part, weights)
    }
    switch feedForward {
    case .dense(let weights): result.feedForward = .dense(try dense(weights))
    case .experts(let part, let weights): result.feedForward = .experts(part, try experts(weights))
    case .parallel(var weights):
      weights.dense = try dense(weights.dense)
      weights.experts = try experts(weights.experts)
      result.feedForward = .parallel(weights)
    }
    return result
  }
}
