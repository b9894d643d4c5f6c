import FileBytes
import Foundation
import Testing
import TextTokenizers

/// Conversations rendered as Jinja renders them; the expected texts are made by `scripts/conformance-templates.py`.
@Suite struct ChatTemplateTests {
  static let names = [
    ("sample", "ChatML"), ("chatml-system", "ChatML"), ("qwen2", "Qwen2"), ("qwen3", "Qwen3"),
    ("qwen3-thinking", "Qwen3"), ("qwen35", "Qwen3.5"), ("llama2", "Llama 2"), ("llama3", "Llama 3"),
    ("llama31", "Llama 3.1"), ("mistral", "Mistral"), ("mistral-last", "Mistral"), ("mixtral", "Mistral"),
  ]

  private func source(_ name: String) throws -> String {
    let url = try #require(
      Bundle.module.url(forResource: name, withExtension: "jinja", subdirectory: "Golden/templates"))
    return try String(contentsOf: url, encoding: .utf8)
  }

  @Test(arguments: names) func rendersAsJinja(name: String, family: String) throws {
    let file = try Goldens.json("templates")
    let talks = try #require(file["conversations"] as? [[[String: String]]])
    let entry = try #require((file["templates"] as? [String: Any])?[name] as? [String: Any])
    let texts = try #require(entry["texts"] as? [[Any]])
    let template = try ChatTemplate.recognise(try source(name), bos: "<s>", eos: "</s>")
    #expect(template.name == family)
    #expect(texts.count == talks.count)
    for (talk, golden) in zip(talks, texts) {
      let different = try #require(golden.first as? [Any])
      let indices = try #require(golden.last as? [Int])
      let messages = talk.map {
        ChatMessage(role: $0["role"] ?? "", content: $0["content"] ?? "", reasoning: $0["reasoning_content"])
      }
      var case_ = 0
      for prompt in [false, true] {
        for thinking in [ChatTemplate.Thinking.modelDefault, .on, .off] {
          let want = different[indices[case_]] as? String
          let found = try? template.render(messages, addGenerationPrompt: prompt, thinking: thinking)
          #expect(
            found.map { Array($0.utf8) } == want.map { Array($0.utf8) }, "\(name), \(thinking): \(talk)")
          case_ += 1
        }
      }
    }
  }

  @Test func unknownTemplatesAreRefused() throws {
    let qwen = try source("qwen3")
    let unknown = [
      "", "{{ messages }}", "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}", "'", "{# open",
      qwen.replacingOccurrences(of: "'<|im_end|>\\n'", with: "'<|im_end|>\\n<|extra|>'"),
      qwen.replacingOccurrences(of: "content.lstrip('\\n')", with: "content"),
      qwen.replacingOccurrences(of: "'<think>\\n\\n</think>\\n\\n'", with: "'<think></think>'"),
      try source("mistral").replacingOccurrences(of: "raise_exception('Take turns.')", with: "''")
        .replacingOccurrences(of: "raise_exception('Unknown role.')", with: "''"),
      try source("llama2").replacingOccurrences(of: "content.strip()", with: "content"),
      String(repeating: "{{ '<|im_start|>' }}", count: 20_000),
    ]
    for template in unknown {
      let error = #expect(throws: TokenizerError.self) { try ChatTemplate.recognise(template) }
      #expect(error?.code == .notSupported)
      #expect(error?.fault.remedy.contains("--raw") == true)
    }
  }

  @Test func refusedConversationsSayWhy() throws {
    let template = try ChatTemplate.recognise(try source("mixtral"), bos: "<s>", eos: "</s>")
    let error = #expect(throws: TokenizerError.self) {
      try template.render([ChatMessage(role: "assistant", content: "x")], addGenerationPrompt: true)
    }
    #expect(error?.code == .invalidValue)
    #expect(error?.fault.found == "assistant as message 1")
    #expect(template.writesBOS)
    #expect(!template.switchesThinking)
    #expect(try ChatTemplate.recognise(try source("qwen35")).switchesThinking)
    #expect(!ChatTemplate.chatML.writesBOS)
  }
}
