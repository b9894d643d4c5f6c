internal import FileBytes
public import TensorTypes

extension RopeParameters {
  /// Reads the rotary embedding of a GGUF as llama.cpp's loader does for the families that are known here.
  ///
  /// A factor without a type is linear scaling, a type of `none` makes the factor meaningless, and a factor of 0 is
  /// one that is absent. Of yarn's parameters the factor, the original context and `rope.scaling.attn_factor` are
  /// read; `rope.scaling.yarn_…` is not, whatever it says. The share of dimensions that turn is not among the values.
  ///
  /// - Parameters:
  ///   - metadata: The entries of the file.
  ///   - architecture: The prefix of the keys.
  ///   - file: The name that errors give.
  /// - Throws: ``DescriptionError`` with `invalidMetadata`, also for a type that llama.cpp does not know.
  public init(metadata: [MetadataEntry], architecture: String, file: String) throws {
    let values = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
    func fault(_ key: String, _ expected: String) -> DescriptionError {
      let name = architecture + "." + key
      let found = values[name]?.summary ?? "no such key"
      return DescriptionError(
        .invalidMetadata, Fault(file: file, subject: name, expected: expected, found: found))
    }
    func number(_ key: String) throws -> Double? {
      guard let value = values[architecture + "." + key] else { return nil }
      guard case .float32(let number) = value, number.isFinite else {
        throw fault(key, "a finite f32 number")
      }
      return Double(number)
    }
    func length(_ key: String) throws -> Int? {
      guard let value = values[architecture + "." + key] else { return nil }
      guard let number = value.integer, (0...(1 << 31)).contains(number) else {
        throw fault(key, "a whole number from 0 to \(1 << 31)")
      }
      return number == 0 ? nil : number
    }

    self.init(theta: try number("rope.freq_base") ?? 10000)
    sections = values[architecture + ".rope.dimension_sections"]?.integers
    magnitude = try number("rope.scaling.attn_factor") ?? 1
    // `rope.scale_linear` is the factor's name in old files.
    let stored = try number("rope.scaling.factor") ?? number("rope.scale_linear") ?? 0
    guard stored >= 0 else { throw fault("rope.scaling.factor", "a number of at least 0") }
    let factor = stored == 0 ? 1 : stored
    let original = try length("rope.scaling.original_context_length") ?? length("context_length")
    let typeKey = "rope.scaling.type"
    let type = values[architecture + "." + typeKey] ?? .string("linear")
    switch type.text {
    case "none": break
    case "linear": scaling = factor == 1 ? .none : .linear(factor: factor)
    case "yarn":
      guard let original else { throw fault("rope.scaling.original_context_length", "a whole number") }
      scaling = .yarn(YarnParameters(factor: factor, originalContextLength: original))
    case "longrope":
      guard let original else { throw fault("rope.scaling.original_context_length", "a whole number") }
      scaling = .longRope(LongRopeParameters(factor: factor, originalContextLength: original))
    default: throw fault(typeKey, "none, linear, yarn or longrope")
    }
  }

  /// The pairs of a head that llama.cpp leaves unturned in text when `sections` shares them out among the positions in
  /// time, height and width: those that fall to the fourth position, which is 0 in text.
  ///
  /// - Parameter dimensions: The rotated dimensions per head.
  /// - Returns: The pairs; `nil` when no section has a pair, which llama.cpp does not survive.
  public func unturnedPairs(dimensions: Int) -> [Int]? {
    guard let sections else { return [] }
    let padded = Array((sections + [0, 0, 0, 0]).prefix(4))
    guard padded.prefix(3).contains(where: { $0 > 0 }) else { return nil }
    let period = padded.reduce(0, +)
    return (0..<(dimensions / 2)).filter { pair in
      let place = pair % period
      return place >= 3 * padded[place % 3]
    }
  }

  /// The largest angle that unturned pairs would have at a position, in radians.
  ///
  /// The last pairs of a head turn by thousandths within thousands of positions, so that leaving them out changes less
  /// than rounding does.
  ///
  /// - Parameters:
  ///   - pairs: The pairs.
  ///   - dimensions: The rotated dimensions per head.
  ///   - position: The position.
  /// - Returns: The angle, 0 without pairs.
  public func largestAngle(of pairs: [Int], dimensions: Int, at position: Int) -> Double {
    pairs.map { Double(position) * exponential(-2 * Double($0) / Double(dimensions) * logarithm(theta)) }
      .max() ?? 0
  }

  /// Angles below this, in radians, make no difference to speak of.
  public static let smallAngle = 0.25
}
