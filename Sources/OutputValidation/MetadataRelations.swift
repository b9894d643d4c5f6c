internal import ModelDescriptions
internal import TensorTypes

/// What the keys of an architecture say together: counts that divide each other, widths that agree.
struct MetadataRelations {
  let family: ModelFamily
  let values: [String: MetadataValue]
  private(set) var findings: [Finding] = []

  init(family: ModelFamily, values: [String: MetadataValue]) {
    self.family = family
    self.values = values
  }

  private func value(_ suffix: String) -> MetadataValue? { values[family.ggufArchitecture + "." + suffix] }
  private func count(_ suffix: String) -> Int? { value(suffix)?.integer }

  private mutating func wrong(_ suffix: String, _ expected: String, _ found: some CustomStringConvertible) {
    findings.append(
      Finding(
        .error, .wrongValue, family.ggufArchitecture + "." + suffix, expected: expected, found: "\(found)",
        remedy: "convert the model again"))
  }

  /// Checks everything; values of wrong types are left to others.
  mutating func run() {
    if let blocks = count("block_count"), let nextToken = count("nextn_predict_layers"), nextToken >= blocks {
      wrong("nextn_predict_layers", "less than block_count (\(blocks))", nextToken)
    }
    experts()
    if let blocks = count("block_count"), let dense = count("leading_dense_block_count"), dense > blocks {
      wrong("leading_dense_block_count", "at most block_count (\(blocks))", dense)
    }
    attention()
    if family.isHybrid { linearAttention() }
  }

  private mutating func experts() {
    let experts = count("expert_count") ?? 0
    let groups = count("expert_group_count") ?? 0
    let groupsUsed = count("expert_group_used_count") ?? 0
    let used = value("expert_used_count")?.numbers.max() ?? 0
    if experts > 0, used < 1 || used > experts {
      wrong("expert_used_count", "1 to \(experts)", used)
    } else if experts == 0, used > 0 {
      wrong("expert_used_count", "0, since there are no experts", used)
    }
    if experts == 0 ? groups > 0 : groups >= experts {
      wrong(
        "expert_group_count", experts == 0 ? "0, since there are no experts" : "less than \(experts)", groups)
    } else if groups > 1 {
      if experts % groups != 0 { wrong("expert_group_count", "a divisor of \(experts)", groups) }
      if groupsUsed < 1 || groupsUsed >= groups {
        wrong("expert_group_used_count", "1 to \(groups - 1)", groupsUsed)
      }
    }
  }

  private mutating func attention() {
    guard let heads = value("attention.head_count")?.numbers, let first = heads.first, first > 0,
      let width = count("embedding_length")
    else { return }
    if let groups = value("attention.head_count_kv")?.numbers {
      for (block, group) in groups.enumerated() {
        let queries = block < heads.count ? heads[block] : first
        // Blocks without softmax attention may have none.
        let isGood = group > 0 ? queries % group == 0 : family.isHybrid && groups.count > 1
        guard isGood else {
          wrong("attention.head_count_kv", "a divisor of \(queries)", group)
          break
        }
      }
    }
    if family.needsEqualHeads, let groups = value("attention.head_count_kv")?.numbers.first, groups != first {
      wrong("attention.head_count_kv", "\(first), as many as query heads", groups)
    }
    let headDim = count("attention.key_length") ?? width / first
    if family.isLatent {
      latentAttention()
    } else if let valueDim = count("attention.value_length"), valueDim != headDim {
      wrong("attention.value_length", "\(headDim), the length of keys", valueDim)
    }
    let rotated = count("rope.dimension_count")
    if let rotated, rotated < 2 || rotated % 2 != 0 || rotated > headDim {
      wrong("rope.dimension_count", "an even number up to the head dimension \(headDim)", rotated)
    } else if let rotated, family.turnsWholeHeads, rotated != headDim {
      wrong("rope.dimension_count", "\(headDim), the head dimension", rotated)
    }
    let pairs = (rotated ?? headDim) / 2
    guard let sections = value("rope.dimension_sections")?.numbers, !sections.isEmpty else { return }
    let sum = sections.reduce(0) { $0 &+ $1 }
    if sections.contains(where: { $0 < 0 }) {
      wrong("rope.dimension_sections", "numbers of at least 0", sections)
    } else if sum != pairs, sum != family.assumedRotaryPairs {
      wrong("rope.dimension_sections", "\(pairs) pairs of dimensions in all", "\(sections), which are \(sum)")
    }
  }

  private mutating func latentAttention() {
    guard let latent = count("attention.kv_lora_rank"), let rotated = count("rope.dimension_count") else {
      return
    }
    if let found = count("attention.key_length"), found != latent + rotated {
      wrong(
        "attention.key_length",
        "\(latent + rotated), for latent vectors of \(latent) and \(rotated) that turn", found)
    }
    if let whole = count("attention.key_length_mla"), whole <= rotated {
      wrong("attention.key_length_mla", "more than rope.dimension_count (\(rotated))", whole)
    }
  }

  private mutating func linearAttention() {
    if value("attention.recurrent_layers") == nil, count("full_attention_interval") == 0 {
      wrong("full_attention_interval", "at least 1, since attention.recurrent_layers is absent", 0)
    }
    guard let keyHeads = count("ssm.group_count"), keyHeads > 0, let valueHeads = count("ssm.time_step_rank"),
      let stateSize = count("ssm.state_size"), let innerSize = count("ssm.inner_size")
    else { return }
    if valueHeads % keyHeads != 0 {
      wrong("ssm.time_step_rank", "a multiple of ssm.group_count (\(keyHeads))", valueHeads)
    }
    let product = stateSize.multipliedReportingOverflow(by: valueHeads)
    if product.overflow || innerSize != product.partialValue {
      wrong("ssm.inner_size", "ssm.state_size times ssm.time_step_rank", innerSize)
    }
  }
}
