internal import TensorTypes

extension TypedKey where Value == [Bool] {
  /// For each block whether it has a window.
  static var windowPattern: Self {
    .optional("attention.sliding_window_pattern", as: "the architecture's pattern", form: .perBlock)
  }
}

extension TypedKey where Value == Double {
  static var windowRotaryBase: Self {
    .optional("rope.freq_base_swa", as: "rope.freq_base", in: .numbers(from: 1, to: .infinity, isOpen: false))
  }
}

extension ModelFamily {
  /// When a file says which layers have a window.
  enum WindowPattern: Sendable {
    case always
    /// When they are not those of the architecture.
    case unlessUsual
  }
}

extension ModelFamily.OwnKey {
  /// The size of windows, and which layers have one.
  ///
  /// - Parameters:
  ///   - period: Where the file is silent on it, all layers have a window but every `period`-th.
  ///   - pattern: When the layers are written.
  /// - Returns: The keys.
  static func windows(period: Int, pattern: ModelFamily.WindowPattern) -> Self {
    let size = TypedKey<Int>.required("attention.sliding_window", in: 1...Int(UInt32.max))
    @Sendable func usual(_ count: Int) -> [Bool] { (0..<count).map { $0 % period < period - 1 } }
    return Self(
      table: [size.key, TypedKey<[Bool]>.windowPattern.key],
      write: { source, keys in
        let windows = source.model.windows
        keys.add(size, windows.lazy.compactMap(\.self).first)
        let flags = windows.map { $0 != nil }
        if case .unlessUsual = pattern, flags == usual(flags.count) { return }
        keys.add(.windowPattern, flags + [Bool](repeating: false, count: source.model.nextTokenLayerCount))
      },
      read: { keys, model in
        let window = try keys.value(size)
        var flags = try keys.stated(.windowPattern) ?? usual(model.layerCount)
        guard flags.count >= model.layerCount else {
          throw keys.fault(.windowPattern, expected: "a Boolean for each of \(model.layerCount) layers")
        }
        flags = Array(flags.prefix(model.layerCount))
        model.windows = flags.map { $0 ? window : nil }
      })
  }
}
