public import ArgumentParser
import CheckpointConversion
import CommandSupport
import QuantRecipes
public import TensorTypes

/// What is written.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
  case gguf, mlx
}

extension GroupFormat.Mode: ExpressibleByArgument {}

/// The flags of outputs for MLX, named as those of mlx_lm.convert without their `q-`.
struct MLXArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "gguf, or mlx: a folder that mlx-lm loads, as mlx_lm.convert writes it (Qwen families).",
      valueName: "format"))
  var format = OutputFormat.gguf

  @Option(
    help: ArgumentHelp(
      "With --format mlx: quantize matrices to codes of 2, 3, 4, 5, 6 or 8 bits. Without this and --mode nothing is "
        + "quantized.",
      valueName: "n"))
  var bits: Int?

  @Option(
    name: .customLong("group-size"),
    help: ArgumentHelp(
      "With --format mlx: values that share a scale: 32, 64 or 128. Default: 64.", valueName: "n"))
  var groupSize: Int?

  @Option(
    help: ArgumentHelp(
      "With --format mlx: affine (scale and bias), mxfp4 (groups of 32) or nvfp4 (groups of 16). Default: affine.",
      valueName: "mode"))
  var mode: GroupFormat.Mode?

  @Option(
    name: .customLong("override"),
    help: ArgumentHelp(
      "With --format mlx: give the matrices of a role of recipes others: attention=8, routed-experts=4/32, router=none, "
        + "output=mxfp4; repeatable, first match wins.",
      valueName: "role=bits[/group]|mode|none"))
  var overrides: [String] = []

  /// Checks what the parser cannot.
  ///
  /// - Throws: A usage error.
  func validate() throws {
    let given = [
      ("--bits", bits != nil), ("--group-size", groupSize != nil), ("--mode", mode != nil),
      ("--override", !overrides.isEmpty),
    ]
    if format == .gguf, let first = given.first(where: \.1) {
      throw ValidationError("\(first.0) needs --format mlx")
    }
    if groupSize != nil, bits == nil, mode == nil {
      throw ValidationError("--group-size needs --bits or --mode")
    }
    _ = try groups()
    for text in overrides { _ = try Self.override(text) }
  }

  /// The groups of all matrices; `nil` without.
  ///
  /// - Throws: A usage error for what MLX does not have.
  func groups() throws -> GroupFormat? {
    guard bits != nil || mode != nil else { return nil }
    let mode = mode ?? .affine
    guard let groups = GroupFormat(mode, bits: bits, groupSize: groupSize) else {
      throw ValidationError(Self.known(mode) + "; not " + Self.words(bits, groupSize))
    }
    return groups
  }

  /// Fills the parts of `request` that these flags set.
  ///
  /// - Throws: A usage error.
  func apply(to request: inout MLXRequest) throws {
    request.overrides = try overrides.map(Self.override)
  }

  /// Reads a rule.
  private static func override(_ text: String) throws -> MLXRequest.Override {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 else {
      throw ValidationError(
        "--override needs role=bits, role=bits/group, role=mode or role=none; not \(text)")
    }
    guard let role = RecipeRole(name: parts[0]) else {
      let names = RecipeRole.all.map(\.name).joined(separator: ", ")
      throw ValidationError("--override: no role \(parts[0]); there are \(names)")
    }
    return MLXRequest.Override(role, try choice(parts[1], in: text))
  }

  private static func choice(_ name: String, in text: String) throws -> MLXRequest.Choice {
    if name == "none" { return .plain }
    if let mode = GroupFormat.Mode(rawValue: name), let groups = GroupFormat(mode) { return .groups(groups) }
    let numbers = name.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard let bits = numbers.first ?? nil, numbers.count <= 2, !numbers.contains(nil) else {
      throw ValidationError("--override needs bits, bits/group, a mode or none; not \(text)")
    }
    let size = numbers.count > 1 ? numbers[1] : nil
    guard let groups = GroupFormat(.affine, bits: bits, groupSize: size) else {
      throw ValidationError("--override: \(known(.affine)); not \(words(bits, size))")
    }
    return .groups(groups)
  }

  private static func known(_ mode: GroupFormat.Mode) -> String {
    switch mode {
    case .affine: "affine has 2, 3, 4, 5, 6 or 8 bits in groups of 32, 64 or 128"
    case .mxfp4: "mxfp4 has 4 bits in groups of 32"
    case .nvfp4: "nvfp4 has 4 bits in groups of 16"
    }
  }

  private static func words(_ bits: Int?, _ groupSize: Int?) -> String {
    [bits.map { "\($0) bits" }, groupSize.map { "groups of \($0)" }].compactMap(\.self)
      .joined(separator: " in ")
  }
}
