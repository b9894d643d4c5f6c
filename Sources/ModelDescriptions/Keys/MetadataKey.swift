package import TensorTypes

/// One key of a GGUF: the type, form and range of its value, and what an absent one means.
///
/// A key is one line in a table. The types and lengths are those that llama.cpp's loader takes: it refuses a value of
/// another integer width as it refuses a text.
package struct MetadataKey: Hashable, Sendable {
  /// The type of a single value, or of the elements of a list.
  package typealias Element = MetadataElement

  /// How many values there are.
  package enum Form: Hashable, Sendable {
    /// One value.
    case single
    /// One value for all blocks, or a list with one element for each block.
    case singleOrPerBlock
    /// A list with one element for each block.
    case perBlock
    /// A list of exactly so many elements.
    case fixedList(Int)
    /// A list of any length.
    case list
  }

  /// The values that models can have.
  package enum Range: Hashable, Sendable {
    case any
    /// Whole numbers.
    case integers(ClosedRange<Int>)
    /// Finite numbers from the first to the second, the first left out when it must be exceeded.
    case numbers(from: Double, to: Double, isOpen: Bool)
    /// Texts.
    case texts([String])
  }

  /// What it means that a file lacks the key.
  package enum Absence: Hashable, Sendable {
    /// Loaders refuse the file.
    case required
    /// Loaders take what the text says, which is right for the models that lack it.
    case assumes(String)
    /// Loaders take what the text says, which is wrong for most models.
    case assumesWrongly(String)
  }

  /// The name, without the name of the architecture where it is under it.
  package var name: String
  /// Whether the name follows that of the architecture, as in `qwen3.block_count`.
  package var isUnderArchitecture: Bool
  /// The type of the value, or of a list's elements as converters write them.
  package var element: Element
  /// Other types that a list's elements may have.
  package var alternatives: [Element] = []
  /// How many values.
  package var form = Form.single
  /// The values.
  package var range = Range.any
  /// What an absent key means.
  package var absence = Absence.assumes("nothing")

  /// The name in a file of `architecture`.
  package func fullName(_ architecture: String) -> String {
    isUnderArchitecture ? architecture + "." + name : name
  }
}

extension MetadataKey {
  /// A value under the architecture's name.
  static func own(
    _ name: String, _ element: Element, _ absence: Absence, or alternatives: [Element] = [],
    form: Form = .single, in range: Range = .any
  ) -> MetadataKey {
    MetadataKey(
      name: name, isUnderArchitecture: true, element: element, alternatives: alternatives, form: form,
      range: range, absence: absence)
  }

  /// A key that is the same for all architectures.
  static func plain(
    _ name: String, _ element: Element, _ absence: Absence = .assumes("nothing"),
    or alternatives: [Element] = [], form: Form = .single, in range: Range = .any
  ) -> MetadataKey {
    MetadataKey(
      name: name, isUnderArchitecture: false, element: element, alternatives: alternatives, form: form,
      range: range, absence: absence)
  }
}
