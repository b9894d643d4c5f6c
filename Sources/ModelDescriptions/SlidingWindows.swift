internal import FileBytes

extension ModelFamily {
  /// How a family's configuration says which layers attend to the last tokens alone.
  ///
  /// These are the rules of transformers' classes; each family has its own.
  enum WindowRule: Sendable {
    /// There are no windows, whatever the configuration says.
    case never
    /// `sliding_window` in every layer.
    case always
    /// As ``always``, for configurations of `mistral` alone, where absence means 4096 and `null` none.
    case mistral
    /// As ``always``, when `use_sliding_window` is true.
    case whenUsed
    /// When `use_sliding_window` is true: in the layers that `layer_types` names, or those from `max_window_layers` on.
    case lastLayers
    /// When `use_sliding_window` is true: in the layers that `layer_types` names, or every other one, the first
    /// included, below `max_window_layers`.
    case alternateFirstLayers
    /// `sliding_window` in the layers that `layer_types` or `sliding_window_pattern` names, or all but every `period`-th.
    case listed(period: Int)
  }

  /// The most tokens that each layer of the trunk attends to, its own included; `nil` for all of them.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig` for a window of 0 or a list of layers that contradicts it.
  func windows(_ config: ModelConfig, layerCount: Int) throws -> [Int?] {
    let none = [Int?](repeating: nil, count: layerCount)
    func window(default absent: Int?) throws -> Int? {
      if config.isNull("sliding_window") { return nil }
      return try config.optionalInteger("sliding_window", in: 1...(1 << 40)) ?? absent
    }
    func everywhere(_ size: Int?) -> [Int?] { [Int?](repeating: size, count: layerCount) }
    // What the families with the flag have when the size is not given.
    func used() throws -> Int? { try config.flag("use_sliding_window") ? window(default: 4096) : nil }

    switch traits.window {
    case .never: return none
    case .always: return everywhere(try window(default: nil))
    case .mistral:
      guard (config.modelType ?? config.architecture ?? "").lowercased().hasPrefix("mistral") else {
        return none
      }
      return everywhere(try window(default: 4096))
    case .whenUsed: return everywhere(try used())
    case .lastLayers:
      let first = try config.optionalInteger("max_window_layers") ?? 28
      return try select(config, layerCount, try used()) { $0 >= first }
    case .alternateFirstLayers:
      let end = try config.optionalInteger("max_window_layers") ?? 28
      return try select(config, layerCount, try used()) { $0 % 2 == 0 && $0 < end }
    case .listed(let period):
      let size = try window(default: nil)
      let pattern = try Self.pattern(config) ?? { $0 % period < period - 1 }
      return try select(config, layerCount, size, rule: pattern)
    }
  }

  /// The layers that a pattern of letters or a period gives a window, as `sliding_window_pattern` says it.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig`.
  private static func pattern(_ config: ModelConfig) throws -> ((Int) -> Bool)? {
    let key = "sliding_window_pattern"
    switch config[key] {
    case nil: return nil
    case .string(let text) where !text.isEmpty && text.allSatisfy("LG".contains):
      let letters = Array(text)
      return { letters[$0 % letters.count] == "L" }
    case .integer(let period) where period > 0: return { ($0 + 1) % period != 0 }
    default:
      throw config.invalid(
        key, expected: "a number above 0, or letters: L for layers with a window, G for others")
    }
  }

  /// The layers of `layer_types`, or else those of a rule.
  private func select(
    _ config: ModelConfig, _ count: Int, _ size: Int?, rule: (Int) -> Bool
  ) throws -> [Int?] {
    guard let names = try config.optionalStrings("layer_types") else {
      return (0..<count).map { rule($0) ? size : nil }
    }
    guard names.count == count else {
      throw config.invalid("layer_types", expected: "\(count) entries, one for each of num_hidden_layers")
    }
    return try names.map { name in
      switch name {
      case "full_attention", "attention": return nil
      case "sliding_attention":
        guard let size else {
          throw DescriptionError(
            .invalidConfig,
            Fault(
              file: config.file, subject: "layer_types",
              expected: "full_attention in all layers, as no window is in use",
              found: "sliding_attention, with use_sliding_window "
                + (try config.flag("use_sliding_window") ? "true and sliding_window null" : "false"),
              remedy: "say in config.json whether the model has a window; transformers cannot run it so"))
        }
        return size
      default:
        throw DescriptionError(
          .notSupported,
          Fault(
            file: config.file, subject: "layer_types", expected: "full_attention or sliding_attention",
            found: name))
      }
    }
  }
}
