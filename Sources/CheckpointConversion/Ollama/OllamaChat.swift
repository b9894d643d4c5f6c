internal import TextTokenizers

/// How Ollama writes a model's conversations: by one of its own renderers, by a template in Go's language, or by the
/// Jinja template in the file.
///
/// A renderer or template is named only if it writes the same texts as the model's own Jinja template, which is tried on
/// plain conversations, with and without a system message.
package enum OllamaChat: Equatable {
  /// A renderer and the parser of answers that belongs to it.
  case renderer(String, parser: String)
  /// A template in Go's language.
  case template(String)
  /// Nothing is known that writes the same; the reason in words.
  case none(String)

  /// A way of writing conversations in ChatML.
  private struct Form {
    var name = ""
    var parser = ""
    /// Architectures of models that it was made for.
    var architectures: Set<String> = []
    /// What a Jinja template has that describes tools as the renderer does.
    var mark = ""
    /// Whether white space around messages goes.
    var trims = false
    /// What follows the start of the answer: when nothing is said, and when the model is not to think.
    var start = ""
    var startWithoutThinking = ""
  }

  /// Ollama's renderers for families that are converted here.
  private static let renderers = [
    Form(
      name: "qwen3.5", parser: "qwen3.5", architectures: ["qwen35", "qwen35moe"], mark: "<function=",
      trims: true, start: "<think>\n", startWithoutThinking: "<think>\n\n</think>\n\n"),
    Form(
      name: "qwen3-vl-instruct", parser: "qwen3-vl-instruct", architectures: ["qwen3vl", "qwen3vlmoe"],
      mark: "<function-name>"),
    Form(
      name: "qwen3-vl-thinking", parser: "qwen3-vl-thinking", architectures: ["qwen3vl", "qwen3vlmoe"],
      mark: "<function-name>", start: "<think>\n", startWithoutThinking: "<think>\n"),
    Form(
      name: "qwen3-coder", parser: "qwen3-coder", architectures: ["qwen3moe", "qwen3next"], mark: "<name>"),
  ]

  /// Plain ChatML, whose loop is the same in both languages.
  private static let chatML =
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"

  /// Finds out how Ollama can write the conversations of a model.
  ///
  /// - Parameters:
  ///   - source: The model's Jinja template; `nil` without one.
  ///   - architecture: The value of `general.architecture`.
  ///   - bos: The text of the first token.
  ///   - eos: The text of the last token.
  /// - Returns: The way.
  package static func find(_ source: String?, architecture: String, bos: String, eos: String) -> OllamaChat {
    guard let source else { return .none("the model has no chat template") }
    let jinja: ChatTemplate
    do {
      jinja = try ChatTemplate(source, bos: bos, eos: eos)
    } catch {
      return .none("the model's chat template cannot be run here")
    }
    for form in renderers where form.architectures.contains(architecture) && source.contains(form.mark) {
      if writesTheSame(form, jinja) { return .renderer(form.name, parser: form.parser) }
    }
    guard !source.contains("tool"), !source.contains("think") else {
      return .none("a template here could not have the model's tools or thinking")
    }
    return writesTheSame(Form(), jinja)
      ? .template(chatML) : .none("no template is known that writes the model's conversations")
  }

  private static func writesTheSame(_ form: Form, _ jinja: ChatTemplate) -> Bool {
    let padded = "  two\n lines  "
    let turns = [
      ChatMessage(role: "user", content: "first"), ChatMessage(role: "assistant", content: "answer"),
      ChatMessage(role: "user", content: padded),
    ]
    let system = ChatMessage(role: "system", content: padded)
    let conversations = [Array(turns.prefix(1)), turns, [system] + turns.prefix(1), [system] + turns]
    return conversations.allSatisfy { messages in
      [(ChatTemplate.Thinking.modelDefault, form.start), (.off, form.startWithoutThinking)].allSatisfy {
        thinking, start in
        let expected =
          messages.map {
            "<|im_start|>\($0.role)\n\(form.trims ? trimmed($0.content) : $0.content)<|im_end|>\n"
          }
          .joined() + "<|im_start|>assistant\n" + start
        let text = try? jinja.render(messages, addGenerationPrompt: true, thinking: thinking)
        return text == expected
      }
    }
  }

  private static func trimmed(_ text: String) -> String {
    String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
