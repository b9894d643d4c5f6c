package import TensorTypes

/// Where a GGUF keeps the tensors of its architecture.
///
/// Files differ in which projections they keep as one tensor, and in a few names. Everything that reads a GGUF asks
/// here, so that all of it reads the same files.
package struct GGUFLayout: Sendable {
  /// Where the rows of a tensor are.
  package struct Place: Hashable, Sendable {
    /// The name of the tensor in the file.
    package var tensor: String
    /// The tensor's shape where it is kept apart, fastest dimension first.
    package var ggmlShape: [Int]
    /// The rows within each matrix of the file's tensor, in units of the tensor's own rows.
    package var runs: [Range<Int>]
    /// Rows of one matrix of the file's tensor in the same unit.
    package var storedRowsPerMatrix: Int

    /// Rows of one matrix of the tensor.
    package var rowsPerMatrix: Int { runs.reduce(0) { $0 + $1.count } }

    /// Finds a row.
    ///
    /// - Parameter row: The row, counted over all matrices of the tensor.
    /// - Returns: The row of the file's tensor, and how many from there on follow each other in both.
    package func storedRows(from row: Int) -> (first: Int, count: Int) {
      let perMatrix = rowsPerMatrix
      var left = row % perMatrix
      for run in runs {
        guard left >= run.count else {
          let first = row / perMatrix * storedRowsPerMatrix + run.lowerBound + left
          return (first, run.count - left)
        }
        left -= run.count
      }
      preconditionFailure("runs have all rows of a matrix")
    }
  }

  /// What does not belong to the text model that the file is for.
  package enum Extra: String, CaseIterable, Hashable, Sendable {
    /// A vision tower or its projector.
    case vision = "vision tower"
    /// Blocks for next-token prediction under names of the checkpoint.
    case nextToken = "next-token predictor"

    /// Classifies a name; `nil` for names of other tensors.
    package init?(name: String) {
      if name.hasPrefix("v.") || name.hasPrefix("mm.") {
        self = .vision
      } else if name.hasPrefix("mtp.") {
        self = .nextToken
      } else {
        return nil
      }
    }
  }

  /// The tensors as they should be in the file: those kept apart, and the fused ones that are there in their place.
  package let expected: [ExpectedTensor]
  /// The fused tensors in use, by their names in the file.
  package let fused: [String: FusedTensor]
  /// The place of each part of a fused tensor.
  private let places: [String: Place]

  /// Finds out how a file is laid out.
  ///
  /// - Parameters:
  ///   - family: The family.
  ///   - model: The hyper-parameters.
  ///   - contains: Whether the file has a tensor of a name.
  package init(family: ModelFamily, model: HyperParameters, contains: (String) -> Bool) {
    let apart = family.expectedTensors(model)
    var fused: [String: FusedTensor] = [:]
    var places: [String: Place] = [:]
    for candidate in family.fusedTensors(apart, model)
    where contains(candidate.name) && !candidate.parts.contains(where: { contains($0.name) }) {
      var whole = candidate
      // llama.cpp looks for joint biases beside a joint matrix alone.
      if whole.slot == .queryKeyValueBias, !contains(whole.name.dropLast(4) + "weight") {
        whole.isStandard = false
      }
      fused[whole.name] = whole
      for part in whole.parts {
        let unit = part.ggmlShape.first ?? 1
        let perMatrix =
          whole.ggmlShape.count > 1 ? whole.ggmlShape[1] : (whole.ggmlShape.first ?? 1) / max(1, unit)
        places[part.name] = Place(
          tensor: whole.name, ggmlShape: part.ggmlShape, runs: part.runs, storedRowsPerMatrix: perMatrix)
      }
    }
    var expected: [ExpectedTensor] = []
    var added: Set<String> = []
    for tensor in apart {
      guard let place = places[tensor.name] else {
        expected.append(tensor)
        continue
      }
      guard added.insert(place.tensor).inserted, let whole = fused[place.tensor] else { continue }
      expected.append(
        ExpectedTensor(
          name: whole.name, slot: whole.slot, block: whole.block, ggmlShape: whole.ggmlShape,
          isOptional: whole.isOptional))
    }
    self.expected = expected
    self.fused = fused
    self.places = places
  }

  /// Finds out how a file is laid out; `nil` for architectures that are not known, and for metadata that cannot be
  /// read.
  ///
  /// - Parameters:
  ///   - metadata: The entries of the file.
  ///   - embeddingRows: The rows of the embedding, as ``HyperParameters/init(metadata:embeddingRows:file:)`` has them.
  ///   - contains: Whether the file has a tensor of a name.
  package init?(metadata: [MetadataEntry], embeddingRows: Int? = nil, contains: (String) -> Bool) {
    guard let family = ModelFamily.family(metadata: metadata),
      let model = try? HyperParameters(metadata: metadata, embeddingRows: embeddingRows, file: "")
    else {
      return nil
    }
    self.init(family: family, model: model, contains: contains)
  }

  /// Where a tensor is that the file keeps under another name or in another tensor; `nil` for all others.
  package func place(of name: String) -> Place? { places[name] }
}
