internal import FileBytes
internal import TensorTypes

/// How a checkpoint is quantized, if it is: what the configuration says, judged by the tensors.
///
/// Programs that merge models often keep the configuration of a quantized base, and some that dequantize keep scales.
/// So the tensors decide where they leave no doubt: when all are 16-, 32- or 64-bit floats and none belongs to a
/// quantized weight, an entry is a leftover. Everything else that does not agree is refused.
struct SourceQuantization {
  /// The method that the configuration names; `nil` without an entry.
  let method: String?
  /// The forms that weights may have beside plain ones; none for checkpoints of plain weights.
  private(set) var forms: [WeightForm] = []
  /// What the user should know, one sentence each.
  private(set) var notes: [String] = []

  /// Methods that replace finished weights.
  ///
  /// Of others (such as `bitnet`) 16-bit weights may be the ones from which the
  /// real ones are computed at run time.
  private static let replacingMethods: Set<String> = [
    "aqlm", "auto-round", "auto_round", "awq", "bitsandbytes", "bitsandbytes_4bit", "bitsandbytes_8bit",
    "compressed-tensors", "eetq", "exl2", "exl3", "fbgemm_fp8", "fp8", "fp_quant", "gptq", "gptqmodel",
    "higgs",
    "hqq", "marlin", "mlx", "modelopt", "mxfp4", "quanto", "quark", "spqr", "torchao", "vptq",
  ]

  /// Reads the entry of a configuration, without knowing the tensors.
  ///
  /// - Throws: ``DescriptionError`` with `notSupported` for anything but the forms that can be read.
  init(expecting config: ModelConfig) throws {
    let entry = QuantizationEntry(config)
    method = entry?.method
    if let entry { forms = try Self.forms(entry, config, signs: []) }
  }

  /// Judges the entry of a configuration by the tensors.
  ///
  /// - Parameters:
  ///   - config: The configuration.
  ///   - tensors: The tensors in use, under normalised names.
  /// - Throws: ``DescriptionError`` with `notSupported` for a quantized checkpoint that cannot be read, `invalidConfig`
  ///   for scales that the configuration says nothing about.
  init(_ config: ModelConfig, tensors: [SourceTensor]) throws {
    let entry = QuantizationEntry(config)
    method = entry?.method
    let signs = tensors.filter(Self.isSign)
    guard let entry else {
      if let scale = signs.first(where: { Self.isScale($0.name) }) {
        throw Self.unexplained(scale, signs, config)
      }
      return
    }
    guard !signs.isEmpty else {
      guard Self.replacingMethods.contains(entry.method) else {
        throw Self.notSupported(entry.method, config, signs: [])
      }
      notes.append(
        "config.json has a quantization entry (\(entry.method)), but every tensor holds 16- or 32-bit numbers and "
          + "none holds scales; the entry is taken as left over from another checkpoint and ignored")
      return
    }
    forms = try Self.forms(entry, config, signs: signs)
    if forms == WeightForm.mlx { notes.append(entry.noteOnMLX) }
    let unread = signs.filter { sign in Self.unreadParts.contains { sign.name.hasEnding($0) } }
    if !unread.isEmpty { throw Self.notSupported(entry.method, config, signs: unread) }
  }

  /// True for scales of activations and caches, which weights have no use for.
  static func isActivationScale(_ name: String) -> Bool {
    [
      "activation_scale", "input_scale", "input_global_scale", "input_zero_point", "output_scale", ".k_scale",
      ".v_scale", ".q_scale",
    ]
    .contains(where: name.hasEnding)
  }

  /// What a tensor is to a weight.
  enum Part: Hashable {
    case codes, scale, bias, common, shape
  }

  /// The weight that a tensor is a part of beside its codes of the same name; `nil` for other tensors.
  func part(_ name: String) -> (weight: String, part: Part, ending: String)? {
    guard !forms.isEmpty, !name.hasEnding(".weight") else { return nil }
    if forms[0].replacesWeightEnding {
      for (ending, part) in [(".scales", Part.scale), (".biases", .bias)] where name.hasEnding(ending) {
        return (name.dropping(ending) + ".weight", part, ending)
      }
      return nil
    }
    for form in forms {
      if !form.codesEnding.isEmpty, name.hasEnding(form.codesEnding) {
        return (name.dropping(form.codesEnding), .codes, form.codesEnding)
      }
      // Other things have scales, too, such as the experts of some routers.
      if name.hasEnding(form.scaleEnding), form.scaleEnding != "_scale" || name.hasEnding("weight_scale") {
        return (name.dropping(form.scaleEnding), .scale, form.scaleEnding)
      }
      if let common = form.common, name.hasEnding(common.ending) {
        return (name.dropping(common.ending), .common, common.ending)
      }
      if case .words = form.codes, name.hasEnding(".weight_shape") {
        return (name.dropping("_shape"), .shape, "_shape")
      }
    }
    return nil
  }

  /// The forms whose codes a tensor can hold.
  func forms(ofCodes type: ElementType, ending: String) -> [WeightForm] {
    forms.filter { $0.codesEnding == ending && $0.holds(type) }
  }

  /// The usual type and shape of a part of a weight with a shape; `nil` where there is none.
  func stored(_ part: Part, _ ending: String, of shape: [Int], isBiased: Bool = false) -> (
    type: ElementType, shape: [Int]
  )? {
    for form in forms where (form.biasEnding != nil) == isBiased {
      switch part {
      case .codes where form.codesEnding == ending:
        if let codes = form.shapeOfCodes(of: shape) { return (form.codesType, codes) }
      case .scale where form.scaleEnding == ending, .bias where form.biasEnding == ending:
        let types: [ElementType] = [.f32, .f8E4M3, .u8]
        if let scale = form.scaleShapes(of: shape).first,
          let type = types.first(where: form.scaleTypes.contains)
        {
          return (type, scale)
        }
      case .common where form.common?.ending == ending: return (.f32, [1])
      case .shape: return (.i32, [2])
      case .codes, .scale, .bias, .common: continue
      }
    }
    return nil
  }

  /// The codes and scales of experts that are stored as blocks of MXFP4; `nil` where they are not.
  func blocks(of tensor: SourceTensor) -> [SourceTensor]? {
    guard let form = forms.first(where: { $0.codes == .blocks }),
      let codes = form.shapeOfCodes(of: tensor.shape), let scales = form.scaleShapes(of: tensor.shape).first
    else { return nil }
    return [
      SourceTensor(name: tensor.name + form.codesEnding, elementType: .u8, shape: codes),
      SourceTensor(name: tensor.name + form.scaleEnding, elementType: .u8, shape: scales),
    ]
  }

  /// A matrix or stack as 8-bit floats with their scales; `nil` where the configuration names no such form.
  func eightBit(of tensor: SourceTensor) -> [SourceTensor]? {
    guard let form = forms.first(where: { $0.codes == .float8 }),
      let codes = stored(.codes, form.codesEnding, of: tensor.shape),
      let scale = stored(.scale, form.scaleEnding, of: tensor.shape)
    else { return nil }
    return [
      SourceTensor(name: tensor.name + form.codesEnding, elementType: codes.type, shape: codes.shape),
      SourceTensor(name: tensor.name + form.scaleEnding, elementType: scale.type, shape: scale.shape),
    ]
  }

  // MARK: - The configuration

  private static func forms(
    _ entry: QuantizationEntry, _ config: ModelConfig, signs: [SourceTensor]
  ) throws -> [WeightForm] {
    do {
      guard let forms = try entry.forms() else { throw notSupported(entry.method, config, signs: signs) }
      return forms
    } catch let refusal as QuantizationEntry.Refusal {
      throw DescriptionError(
        refusal.isInvalid ? .invalidConfig : .notSupported,
        Fault(
          file: config.file, subject: refusal.key, expected: refusal.expected,
          found: "\(refusal.found) (\(entry.method)\(signs.isEmpty ? "" : ", with \(list(signs))"))",
          remedy: "convert the original checkpoint instead"))
    }
  }

  // MARK: - The tensors

  /// Parts of weights that no form here has: zero points, orders of columns, factors of columns.
  private static let unreadParts = [".weight_zero_point", ".weight_g_idx", ".pre_quant_scale"]

  /// True for tensors that only a quantized checkpoint has.
  private static func isSign(_ tensor: SourceTensor) -> Bool {
    switch tensor.elementType {
    case .f16, .bf16, .f32, .f64: isScale(tensor.name)
    // Counters and masks of 64 bits or of truth values are buffers of the model's code.
    case .i64, .u64, .bool: isScale(tensor.name)
    default: true
    }
  }

  /// True for the names of scales, zero points and tables of quantized weights.
  private static func isScale(_ name: String) -> Bool {
    // Nearly all names end like this, and there may be tens of thousands.
    if name.hasEnding(".weight") { return false }
    guard !isActivationScale(name) else { return false }
    if name.hasEnding("_scale_inv") || name.hasEnding("weight_scale") || name.contains(".quant_state.") {
      return true
    }
    return [
      "SCB", "absmax", "biases", "g_idx", "nested_absmax", "nested_quant_map", "pre_quant_scale",
      "qscale_weight",
      "quant_map", "qweight", "qzeros", "scales", "weight_g_idx", "weight_global_scale", "weight_packed",
      "weight_scale_2", "weight_shape", "weight_zero_point",
    ].contains { name.hasEnding("." + $0) }
  }

  private static func list(_ signs: [SourceTensor]) -> String {
    guard let first = signs.first else { return "" }
    let others = signs.count > 1 ? " and \(signs.count - 1) more" : ""
    return "\(first.name) (\(first.elementType.rawValue))\(others)"
  }

  private static func notSupported(
    _ method: String, _ config: ModelConfig, signs: [SourceTensor]
  ) -> DescriptionError {
    DescriptionError(
      .notSupported,
      Fault(
        file: config.file, subject: "quantization_config",
        expected:
          "a checkpoint of 16-bit or 32-bit weights, fp8, symmetric integers of 4 or 8 bits, NVFP4 or MXFP4",
        found: "\(method)" + (signs.isEmpty ? "" : ", with \(list(signs))"),
        remedy: "convert the original checkpoint instead"))
  }

  private static func unexplained(
    _ scale: SourceTensor, _ signs: [SourceTensor], _ config: ModelConfig
  ) -> DescriptionError {
    DescriptionError(
      .invalidConfig,
      Fault(
        file: config.file, subject: "quantization_config",
        expected: "an entry that says how to use the scales of the checkpoint",
        found: "none, but \(list([scale] + signs.filter { $0 != scale }))",
        remedy:
          "restore config.json of the original; if the weights are no longer quantized, remove the scales"))
  }
}

extension String {
  /// The same as `hasSuffix` for names, several times faster.
  func hasEnding(_ ending: String) -> Bool {
    utf8.suffix(ending.utf8.count).elementsEqual(ending.utf8)
  }

  fileprivate func dropping(_ ending: String) -> String { String(utf8.dropLast(ending.utf8.count)) ?? self }
}
