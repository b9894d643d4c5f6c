internal import FileBytes
package import TensorTypes

extension VisionTower {
  /// Maps the tower of a checkpoint.
  ///
  /// - Parameters:
  ///   - tensors: All tensors of the checkpoint, as for ``ModelDescription/describe(config:tensors:options:evidence:)``.
  ///   - config: The configuration, which says how weights are quantized.
  ///   - choices: Which weights were read where the source holds several sets; part of errors.
  /// - Returns: What the tensors become, in the order of llama.cpp's converter.
  /// - Throws: ``DescriptionError`` with `tensorMismatch` for a tower that is not there, or another one.
  package func map(_ tensors: [SourceTensor], config: ModelConfig, choices: [String] = []) throws
    -> TensorMapping
  {
    let names = tensors.map { Self.name(of: $0.name) }
    let own = zip(tensors, names).compactMap { tensor, name in
      name.map { SourceTensor(name: $0, elementType: tensor.elementType, shape: tensor.shape) }
    }
    guard !own.isEmpty else { throw Self.missing(tensors, file: config.file) }
    var mapper = TensorMapper(
      rules,
      terms: TensorMapper.Terms(
        subject: "tensors of the vision tower",
        expected:
          "the tensors of \(depth) blocks, hidden size \(width), and \(deepstackBlocks.count) deepstack mergers",
        remedy: { _, _ in
          "check that vision_config in config.json belongs to these shards and that all shards are there"
        }),
      // Its notes are about weights of the language model.
      quantization: try SourceQuantization(config, tensors: own), choices: choices)
    for (index, tensor) in tensors.enumerated() {
      if let name = names[index] {
        mapper.register(name: name, index: index, tensor)
      } else {
        mapper.skipped.append(.init(name: tensor.name, reason: "no part of the vision tower"))
      }
    }
    return try mapper.finish(file: config.file)
  }

  /// The name by which rules know a tensor of a checkpoint; `nil` for one outside of the tower.
  private static func name(of name: String) -> String? {
    if name.hasPrefix("visual.") { return name }
    return name.hasPrefix("model.visual.") ? String(name.dropFirst(6)) : nil
  }

  private static func missing(_ tensors: [SourceTensor], file: String) -> DescriptionError {
    let other = tensors.first {
      ["vision_tower.", "vision_model."].contains(where: $0.name.contains)
    }
    return DescriptionError(
      .tensorMismatch,
      Fault(
        file: file, subject: "tensors of the vision tower",
        expected: "tensors under model.visual. or visual.",
        found: other.map { "none of these names, but \($0.name)" } ?? "none of \(tensors.count)",
        remedy: other == nil
          ? "this checkpoint holds the language model alone; take the tower from the model that it was made of"
          : "that is the layout of another program, which is not read; take the tower from the original model"
      ))
  }

  /// The tensors that a file of the tower has.
  package var expectedTensors: [ExpectedTensor] {
    rules.flatMap { block in
      block.rules.flatMap(\.outputs).map {
        ExpectedTensor(
          name: $0.name, slot: $0.slot, block: block.block, ggmlShape: $0.ggmlShape, isOptional: false)
      }
    }
  }

  /// The tensors, and what they become.
  private var rules: [BlockRules] {
    let merged = width * mergeSize * mergeSize
    func linear(_ source: String, _ target: String, _ shape: [Int]) -> [TensorRule] {
      [
        TensorRule(source + ".weight", target + ".weight", shape, .visionMatrix),
        TensorRule(source + ".bias", target + ".bias", [shape[0]], .visionVector),
      ]
    }
    func norm(_ source: String, _ target: String, _ width: Int) -> [TensorRule] {
      ["weight", "bias"].map { TensorRule("\(source).\($0)", "\(target).\($0)", [width], .visionVector) }
    }
    let ends =
      [
        patches,
        TensorRule("visual.patch_embed.proj.bias", "v.patch_embd.bias", [width], .visionVector),
        TensorRule(
          "visual.pos_embed.weight", "v.position_embd.weight", [positionCount, width], .visionPositions),
      ] + norm("visual.merger.norm", "v.post_ln", width)
      + linear("visual.merger.linear_fc1", "mm.0", [merged, merged])
      + linear("visual.merger.linear_fc2", "mm.2", [outputWidth, merged])
    let blocks = (0..<depth).map { block in
      let (source, target) = ("visual.blocks.\(block).", "v.blk.\(block).")
      let rules =
        norm(source + "norm1", target + "ln1", width) + norm(source + "norm2", target + "ln2", width)
        + linear(source + "attn.qkv", target + "attn_qkv", [3 * width, width])
        + linear(source + "attn.proj", target + "attn_out", [width, width])
        + linear(source + "mlp.linear_fc1", target + "ffn_up", [feedForwardSize, width])
        + linear(source + "mlp.linear_fc2", target + "ffn_down", [width, feedForwardSize])
      return BlockRules(block: block, rules: rules)
    }
    let mergers = deepstackBlocks.enumerated().map { number, block in
      let (source, target) = ("visual.deepstack_merger_list.\(number).", "v.deepstack.\(block).")
      let rules =
        norm(source + "norm", target + "norm", merged)
        + linear(source + "linear_fc1", target + "fc1", [merged, merged])
        + linear(source + "linear_fc2", target + "fc2", [outputWidth, merged])
      return BlockRules(block: block, rules: rules)
    }
    return [BlockRules(block: nil, rules: ends)] + blocks + mergers
  }

  /// The filters of patches, `[width, colours, frames, rows, columns]`: a tensor for each frame.
  private var patches: TensorRule {
    let frames = Self.frameCount
    return TensorRule(
      "visual.patch_embed.proj.weight",
      shapes: [[width, Self.channelCount, frames, patchSize, patchSize]],
      outputs: (0..<frames).map { frame in
        RuleOutput(
          "v.patch_embd.weight" + (frame == 0 ? "" : ".\(frame)"), .visionPatches,
          ggmlShape: [patchSize, patchSize, Self.channelCount, width],
          runs: [
            RuleOutput.Rows(
              frame * patchSize, width * Self.channelCount * patchSize,
              order: .every(step: frames * patchSize, together: patchSize))
          ])
      })
  }
}
