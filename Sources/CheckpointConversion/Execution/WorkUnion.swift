internal import TensorTypes

/// What is to be made of one source for all outputs of a run, each thing once.
///
/// Plans of one source have the same tensors, made of the same rows. Where two outputs store a tensor with the same type,
/// their bytes are the same, too, if values are rounded alike before and the same importance data apply; then the tensor
/// has one ``Form`` for both. A single output is a union of one plan.
struct WorkUnion: Sendable {
  /// A tensor of an output.
  struct Target: Hashable, Sendable {
    /// The index of the output.
    var output: Int
    /// The index of the tensor in its plan.
    var tensor: Int
  }

  /// One way of storing a tensor, and the outputs that want it.
  struct Form: Sendable {
    /// The tensor as one of the outputs plans it; in what concerns its bytes, all of them do.
    var planned: PlannedTensor
    /// The 16-bit type that values which have another one are rounded to before; `nil` when all stay as they are.
    var rounding: TensorType?
    /// Where importance data come from; `nil` when none take part.
    var importance: (any ImportanceSource)?
    /// Whether the first of the outputs takes rules for single tensors.
    var takesRules: Bool
    /// Who wants it, at least one.
    var targets: [Target]
  }

  /// A tensor with all its forms.
  struct Tensor: Sendable {
    /// At least one; those whose values are not rounded come first.
    var forms: [Form]

    /// The tensor as one output plans it: name, shape and content are those of all.
    var common: PlannedTensor { forms[0].planned }
    /// Rows of one matrix where tiles end with matrices, see ``PlannedTensor/rowsPerLossMatrix``.
    var rowsPerLossMatrix: Int { forms.lazy.map(\.planned.rowsPerLossMatrix).min() ?? 1 }
  }

  /// The files that are read.
  let sourceFiles: [PlannedSourceFile]
  /// The tensors that are read.
  let sources: [PlannedSource]
  /// What is made, in the order of the first output.
  let tensors: [Tensor]

  /// Unites plans of one source.
  init(_ outputs: [PreparedConversion]) {
    sourceFiles = outputs.first?.plan.sourceFiles ?? []
    sources = outputs.first?.plan.sources ?? []
    var tensors: [Tensor] = []
    var places: [String: [Int]] = [:]
    for (index, output) in outputs.enumerated() {
      precondition(output.plan.sources == sources, "all outputs of a run are made of one source")
      for (number, planned) in output.plan.tensors.enumerated() {
        let form = Form(
          planned: planned, rounding: output.plan.rounding(of: planned),
          importance: planned.importanceName == nil ? nil : output.importance,
          takesRules: output.plan.mix.isQuantizing,
          targets: [Target(output: index, tensor: number)])
        let known = places[planned.name]?.first {
          let common = tensors[$0].common
          return common.ggmlShape == planned.ggmlShape && common.content == planned.content
        }
        if let known {
          tensors[known].add(form)
        } else {
          places[planned.name, default: []].append(tensors.count)
          tensors.append(Tensor(forms: [form]))
        }
      }
    }
    self.tensors = tensors
  }

  /// The form that a demand is for.
  func form(_ demand: Tile.Demand, of tensor: Int) -> Form { tensors[tensor].forms[demand.form] }

  /// Source files that are zstd streams.
  var compressedFileCount: Int { sourceFiles.count(where: \.isCompressed) }
  /// Values of the longest row.
  var longestRow: Int { tensors.lazy.map(\.common.rowLength).max() ?? 0 }
  /// Bytes that the tensors take before quantization.
  var sourceByteCount: Int { tensors.reduce(0) { $0 + $1.common.sourceByteCount } }
  /// The most forms of a tensor that importance data take part in, others of it counted as well.
  var weightedFormCount: Int {
    tensors.lazy.filter { $0.forms.contains { $0.importance != nil } }.map(\.forms.count).max() ?? 0
  }
}

extension WorkUnion.Tensor {
  /// Adds a form, or its target to an equal one.
  fileprivate mutating func add(_ form: WorkUnion.Form) {
    if let equal = forms.firstIndex(where: { $0.hasBytes(of: form) }) {
      forms[equal].targets += form.targets
    } else if form.rounding == nil {
      forms.insert(form, at: forms.firstIndex { $0.rounding != nil } ?? forms.count)
    } else {
      // Behind the others of its rounding: values are rounded once for all of them.
      let last = forms.lastIndex { $0.rounding == form.rounding }
      forms.insert(form, at: last.map { $0 + 1 } ?? forms.count)
    }
  }
}

extension WorkUnion.Form {
  /// Whether another form of the same tensor has the same bytes.
  fileprivate func hasBytes(of other: Self) -> Bool {
    planned.type == other.planned.type && planned.groups == other.planned.groups && rounding == other.rounding
      && planned.importanceName == other.planned.importanceName
      && importance?.identity == other.importance?.identity
  }
}

extension ConversionPlan {
  /// The 16-bit type that values of a tensor are rounded to, as those of the file in between are; `nil` when all sources
  /// have it, or none is in between.
  ///
  /// What an operation makes is rounded to the type in between, too, unless that is how it is stored.
  fileprivate func rounding(of tensor: PlannedTensor) -> TensorType? {
    let element: ElementType
    switch tensor.sourceType {
    case .bf16: element = .bf16
    case .f16: element = .f16
    default: return nil
    }
    guard case .feed(let feed) = tensor.content else { return nil }
    if feed.operation != .identity, tensor.type != tensor.sourceType { return tensor.sourceType }
    return feed.runs.allSatisfy { sources[$0.source].encoding == .element(element) } ? nil : tensor.sourceType
  }
}
