public import Foundation
public import FileBytes
internal import JinjaTemplates

/// A model's way of writing a conversation as one text.
///
/// Models ship their way as a Jinja template. It is run as Python's `transformers` runs it, with the variables that
/// are passed there: `messages`, `add_generation_prompt`, `tools` and `documents` (none), the special tokens' texts,
/// and `enable_thinking` or, as other templates call it, `thinking`.
public struct ChatTemplate: Sendable {
  /// Whether the model is to think before it answers, where a template can say so.
  public enum Thinking: Hashable, Sendable {
    /// What the template does when nothing is said.
    case modelDefault
    /// `enable_thinking=true`
    case on
    /// `enable_thinking=false`
    case off
  }

  private let template: JinjaTemplate
  private let specialTokens: [String: JinjaValue]
  /// How conversations are handed over.
  private let form: Form
  /// Whether a message of the user appears in the text.
  let writesUser: Bool
  /// Whether a system message appears in the text, where it is not refused.
  let writesSystem: Bool

  /// How a conversation is handed over.
  private struct Form {
    /// Contents as a list of parts, for templates that write nothing else.
    var asParts = false
    /// An empty list of tools in place of none, for templates that go through the list without a look.
    var listsTools = false
  }

  /// A text that no template writes of itself.
  private static let probe = "pouch2f7c"

  /// Reads a template.
  ///
  /// - Parameters:
  ///   - source: The text of `tokenizer.chat_template`.
  ///   - bos: The text of the beginning-of-sequence token, which some templates write.
  ///   - eos: The text of the end-of-sequence token.
  /// - Throws: ``TokenizerError`` with `invalidValue` for a text that is no template, `notSupported` for one that uses
  ///   what this program does not know.
  public init(_ source: String, bos: String = "", eos: String = "") throws(TokenizerError) {
    do {
      template = try JinjaTemplate(source)
    } catch {
      throw Self.error(error)
    }
    specialTokens = ["bos_token": .string(bos), "eos_token": .string(eos)]
    // What a template does is found by trying it on texts that can be told from its own.
    let (template, tokens) = (template, specialTokens)
    func writes(_ messages: [ChatMessage], _ form: Form) -> Bool? {
      let variables = Self.variables(
        messages, form, addGenerationPrompt: true, thinking: .modelDefault, tokens)
      guard let text = try? template.render(variables) else { return nil }
      return text.contains(Self.probe)
    }
    let user = [ChatMessage(role: "user", content: Self.probe)]
    let forms = [
      Form(), Form(asParts: true), Form(listsTools: true), Form(asParts: true, listsTools: true),
    ]
    let form = forms.first { writes(user, $0) == true }
    self.form = form ?? Form()
    writesUser = form != nil || writes(user, Form()) != false
    let system = [ChatMessage(role: "system", content: Self.probe), ChatMessage(role: "user", content: "x")]
    writesSystem = writes(system, self.form) != false
  }

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - messages: The messages, oldest first.
  ///   - addGenerationPrompt: Whether the beginning of the assistant's next message follows.
  ///   - thinking: What is asked for; templates without a switch ignore it.
  ///   - date: The day that templates write which write one.
  ///   - timeZone: Where the day is looked up; on this machine when `nil`.
  /// - Returns: The text, with special tokens written out.
  /// - Throws: ``TokenizerError`` with `invalidValue` for a conversation that the template refuses or fails at,
  ///   `notSupported` for what this program does not know.
  public func render(
    _ messages: [ChatMessage], addGenerationPrompt: Bool, thinking: Thinking = .modelDefault,
    date: Date = Date(), timeZone: TimeZone? = nil
  ) throws(TokenizerError) -> String {
    do {
      return try template.render(
        Self.variables(
          messages, form, addGenerationPrompt: addGenerationPrompt, thinking: thinking, specialTokens),
        date: date, timeZone: timeZone)
    } catch {
      throw Self.error(error)
    }
  }

  /// Whether ``Thinking`` makes a difference to a prompt.
  ///
  /// - Parameter messages: The conversation that is continued.
  /// - Returns: `false` also if it cannot be rendered.
  public func switchesThinking(_ messages: [ChatMessage]) -> Bool {
    func text(_ thinking: Thinking) -> String? {
      try? render(messages, addGenerationPrompt: true, thinking: thinking)
    }
    return text(.on) != text(.off)
  }

  /// What follows an answer in the text of a conversation, without white space at its start.
  ///
  /// It begins with the special token that ends the assistant's turn, where the model has one.
  ///
  /// - Returns: `nil` if the template does not write the answer.
  func textBehindAnswer() -> String? {
    let messages = [
      ChatMessage(role: "user", content: "x"), ChatMessage(role: "assistant", content: Self.probe),
    ]
    guard let text = try? render(messages, addGenerationPrompt: false),
      let place = text.range(of: Self.probe, options: .backwards)
    else { return nil }
    return String(text[place.upperBound...].drop(while: \.isWhitespace))
  }

  private static func variables(
    _ messages: [ChatMessage], _ form: Form, addGenerationPrompt: Bool, thinking: Thinking,
    _ specialTokens: [String: JinjaValue]
  ) -> [String: JinjaValue] {
    var variables = specialTokens
    variables["messages"] = .array(messages.map { message($0, asParts: form.asParts) })
    variables["add_generation_prompt"] = .bool(addGenerationPrompt)
    variables["tools"] = form.listsTools ? .array([]) : .null
    variables["documents"] = .null
    if thinking != .modelDefault {
      for name in ["enable_thinking", "thinking"] { variables[name] = .bool(thinking == .on) }
    }
    return variables
  }

  private static func message(_ message: ChatMessage, asParts: Bool) -> JinjaValue {
    var members: [JinjaValue.Member] = []
    // Under both names that templates know.
    if let reasoning = message.reasoning { members.append(.init("thinking", .string(reasoning))) }
    members.append(.init("role", .string(message.role)))
    let content = JinjaValue.string(message.content)
    let part = JinjaValue.object([.init("type", .string("text")), .init("text", content)])
    members.append(.init("content", asParts ? .array([part]) : content))
    if let reasoning = message.reasoning { members.append(.init("reasoning_content", .string(reasoning))) }
    return .object(members)
  }

  private static func error(_ error: TemplateError) -> TokenizerError {
    let message = Wording(error.message)
    let place: Wording = "tokenizer.chat_template" + (error.line > 0 ? ", line \(error.line)" : "")
    let remedy: Wording =
      "write the prompt in the model's format yourself and give it with \(.rawPrompts)"
    switch error.kind {
    case .raised:
      return TokenizerError(
        .invalidValue,
        Fault(
          subject: "conversation", expected: "messages that the model's chat template takes",
          found: "its refusal: \(message)", remedy: "change the messages, or use \(.rawPrompts)"))
    case .syntax:
      return TokenizerError(
        .invalidValue,
        Fault(subject: place, expected: "a Jinja template", found: message, remedy: remedy))
    case .notSupported:
      return TokenizerError(
        .notSupported,
        Fault(
          subject: place, expected: "Jinja as chat templates use it",
          found: message + ", which is not supported", remedy: remedy))
    case .limit:
      return TokenizerError(
        .notSupported,
        Fault(
          subject: place, expected: "a template of the usual extent", found: message, remedy: remedy))
    default:
      return TokenizerError(
        .invalidValue,
        Fault(
          subject: place, expected: "a template that can write this conversation", found: message,
          remedy: remedy))
    }
  }
}
