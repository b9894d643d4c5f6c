import ArgumentParser
import CommandSupport
import FileBytes
import MemoryEstimation
import MixTuning

/// What mixes are looked for.
struct BudgetArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Size of the file at most, such as 21GB; repeatable.", valueName: "size"))
  var targetSize: [ByteSize] = []

  @Option(help: ArgumentHelp("Bits per weight at most, over all tensors; repeatable.", valueName: "bits"))
  var targetBpw: [Double] = []

  @Option(
    help: ArgumentHelp(
      "Memory of a machine in which llama.cpp runs it with -c tokens of context, such as 32GB; repeatable.",
      discussion: "The system keeps 1/16, at least 1 GiB, as pouch-estimate --memory counts.",
      valueName: "size"))
  var fit: [ByteSize] = []

  @Option(name: [.customShort("c"), .customLong("ctx-size")], help: "Tokens of context for --fit.")
  var contextSize: Int?

  @Option(
    help: ArgumentHelp(
      "The smallest file that is predicted to lose at most this; repeatable.", valueName: "nats"))
  var maxKld: [Double] = []

  var count: Int { targetSize.count + targetBpw.count + fit.count + maxKld.count }
  var isEmpty: Bool { count == 0 }

  func validate() throws {
    if contextSize != nil, fit.isEmpty {
      throw ValidationError("-c is the context of --fit; for windows there is --window")
    }
    if !fit.isEmpty, contextSize == nil { throw ValidationError("--fit needs the tokens of context: -c") }
    if let contextSize, contextSize < 1 { throw ValidationError("--ctx-size must be at least 1") }
    for bits in targetBpw where !(bits > 0 && bits < 1000) {
      throw ValidationError("--target-bpw must be a number above 0 and below 1000")
    }
    for nats in maxKld where !(nats > 0 && nats < 1000) {
      throw ValidationError("--max-kld must be a number above 0 and below 1000")
    }
  }

  /// The budgets with the ends of the names of their recipes.
  func budgets() throws -> [(name: String, budget: TunedMix.Budget)] {
    var result: [(name: String, budget: TunedMix.Budget)] = []
    for size in targetSize { result.append((Self.text(size), .size(size.byteCount))) }
    for bits in targetBpw { result.append(("\(bits)bpw", .bitsPerWeight(bits))) }
    for size in fit {
      let machine = try Machine.memory(size.byteCount, reserve: nil, setting: .targetMemory)
      let context = contextSize ?? 0
      result.append(
        ("fit-\(Self.text(size))-c\(context)", .memory(machine.availableBytes, contextLength: context)))
    }
    for nats in maxKld { result.append(("kld-\(nats)", .divergence(nats))) }
    return result
  }

  /// A size in the characters that names of recipes may have.
  private static func text(_ size: ByteSize) -> String {
    for (unit, factor) in [("gb", 1_000_000_000), ("mb", 1_000_000), ("kb", 1000)]
    where size.byteCount >= factor && size.byteCount % (factor / 1000) == 0 {
      let thousandths = size.byteCount / (factor / 1000)
      var text = decimals(Double(thousandths) / 1000, 3)
      while text.hasSuffix("0") { text.removeLast() }
      if text.hasSuffix(".") { text.removeLast() }
      return text + unit
    }
    return "\(size.byteCount)b"
  }
}

/// What mixes must keep to.
struct ConstraintArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Candidate types, with commas; by default q2_K,q3_K,iq4_xs,q4_K,q5_K,q6_K,q8_0.", valueName: "list"))
  var types: [String] = []

  @Option(
    help: ArgumentHelp(
      "Give all layers of a role one type, which makes shorter recipes; repeatable, any for all roles.",
      valueName: "role"))
  var uniform: [String] = []

  @Option(
    help: ArgumentHelp(
      "The least type of a role, such as attention=q5_K; repeatable.", valueName: "role=type"))
  var least: [String] = []

  @Option(
    help: ArgumentHelp(
      "A recipe that the results stand on: roles that it gives the chosen types need no rule.",
      valueName: "recipe"))
  var base: String?

  /// The names of candidate types; `nil` when none are given.
  var typeNames: [String]? {
    let names = types.flatMap { $0.split(separator: ",").map(String.init) }
    return names.isEmpty ? nil : names
  }

  /// The constraints; those on candidates apply to a table that has others, too.
  func constraints(_ table: SensitivityTable) throws -> MixConstraints {
    var result = MixConstraints()
    for name in uniform {
      let present = Set(table.rows.map(\.group.role))
      let roles =
        name == "any" ? Array(present) : try MixConstraints.roles(named: name, setting: .uniformRoles)
      // A name of several roles means those that the model has.
      let known = roles.filter(present.contains)
      result.uniform.formUnion(known.isEmpty ? roles : known)
    }
    for text in least {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw UsageError("--least", expected: "ROLE=TYPE, such as attention=q5_K", found: text)
      }
      let type = try CandidateTypes.types(named: [parts[1]])[0]
      let roles = try MixConstraints.roles(named: parts[0], setting: .leastTypes)
      let known = roles.filter(Set(table.rows.map(\.group.role)).contains)
      for role in known.isEmpty ? roles : known { result.least[role] = type }
    }
    if let typeNames { result.types = Set(try CandidateTypes.types(named: typeNames)) }
    return result
  }
}
