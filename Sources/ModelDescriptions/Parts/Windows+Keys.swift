internal import FileBytes
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
  ///   - between: Keys that are written between the size and the layers.
  /// - Returns: The keys.
  static func windows(
    period: Int, pattern: ModelFamily.WindowPattern, between: [ModelFamily.OwnKey] = []
  ) -> Self {
    let size = TypedKey<Int>.required("attention.sliding_window", in: 1...Int(UInt32.max))
    return Self(
      table: [size.key, TypedKey<[Bool]>.windowPattern.key] + between.flatMap(\.table),
      write: { source, keys in
        let windows = source.model.windows
        keys.add(size, windows.lazy.compactMap(\.self).first)
        for key in between { key.write(source, &keys) }
        let flags = windows.map { $0 != nil }
        if case .unlessUsual = pattern, flags == KeyReader.usualWindowFlags(period: period, flags.count) {
          return
        }
        keys.add(.windowPattern, flags + [Bool](repeating: false, count: source.model.nextTokenLayerCount))
      },
      read: { keys, model in
        let window = try keys.value(size)
        let flags = try keys.windowFlags(period: period, layerCount: model.layerCount)
        model.windows = flags.map { $0 ? window : nil }
        for key in between { try key.read(keys, &model) }
      })
  }

  /// The widths of the heads of layers with a window.
  static let windowHeads = Self(
    table: [TypedKey<Double>.windowRotaryBase.key],
    write: {
      $1.add(.windowKeyLength, $0.model.slidingAttention?.headDim)
      $1.add(.windowValueLength, $0.model.slidingAttention?.headDim)
    })
  /// The dimensions of these heads that turn.
  static let windowRotaryDimensions = Self(
    write: { $1.add(.windowRotaryDimensions, $0.model.slidingAttention?.rotaryDimensions) })
  /// The number of what some models of the architecture have and no part here describes.
  ///
  /// - Parameters:
  ///   - key: The key.
  ///   - what: What it counts, for the message.
  /// - Returns: A key of which 0 is written, and anything else is not read.
  static func none(_ key: TypedKey<Int>, of what: String) -> Self {
    Self(
      table: [key.key], write: { $1.add(key, 0) },
      read: { keys, _ in
        guard try keys.value(key) != 0 else { return }
        var error = keys.fault(key, expected: "0")
        error.code = .notSupported
        error.fault.remedy = "\(what) are not supported yet"
        throw error
      })
  }
}

extension KeyReader {
  /// Which layers have a window: those that the file says, or all but every `period`-th.
  func windowFlags(period: Int, layerCount: Int) throws -> [Bool] {
    let flags = try stated(.windowPattern) ?? Self.usualWindowFlags(period: period, layerCount)
    guard flags.count >= layerCount else {
      throw fault(.windowPattern, expected: "a Boolean for each of \(layerCount) layers")
    }
    return Array(flags.prefix(layerCount))
  }

  fileprivate static func usualWindowFlags(period: Int, _ count: Int) -> [Bool] {
    (0..<count).map { $0 % period < period - 1 }
  }
}
