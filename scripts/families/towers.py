"""Vision towers of the Qwen families: what a configuration says of one, and all tensors of it."""

# What preprocessor_config.json says of pictures; numbers that f32 rounds.
PREPROCESSOR = dict(
    image_processor_type="Qwen2VLImageProcessorFast", patch_size=4, merge_size=2, temporal_patch_size=2,
    image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711],
    size=dict(longest_edge=16777216, shortest_edge=65536),
)


def vision(model_type, deepstack=(0, 1)):
    """The settings of a small tower."""
    return dict(model_type=model_type, depth=2, hidden_size=32, intermediate_size=48, num_heads=2, in_channels=3,
                patch_size=4, temporal_patch_size=2, spatial_merge_size=2, out_hidden_size=256,
                num_position_embeddings=16, deepstack_visual_indexes=list(deepstack))


def changed(settings, text):
    """The settings with others in place of some: "depth=3,deepstack_visual_indexes=0/2"."""
    result = dict(settings)
    for part in filter(None, text.split(",")):
        key, value = part.split("=")
        is_list = key == "deepstack_visual_indexes"
        result[key] = [int(v) for v in value.split("/") if v] if is_list else int(value)
    return result


def tensors(v, root="model.visual."):
    """Yields (name, shape, kind) of a whole tower."""
    H, F, P = v["hidden_size"], v["intermediate_size"], v["patch_size"]
    merged = H * v["spatial_merge_size"] ** 2

    def linear(name, rows, columns):
        yield root + name + ".weight", (rows, columns), "matrix"
        yield root + name + ".bias", (rows,), "bias"

    def norm(name, width):
        yield root + name + ".weight", (width,), "norm"
        yield root + name + ".bias", (width,), "bias"

    def merger(name, width):
        yield from norm(name + ".norm", width)
        yield from linear(name + ".linear_fc1", merged, merged)
        yield from linear(name + ".linear_fc2", v["out_hidden_size"], merged)

    yield root + "patch_embed.proj.weight", (H, v["in_channels"], v["temporal_patch_size"], P, P), "matrix"
    yield root + "patch_embed.proj.bias", (H,), "bias"
    yield root + "pos_embed.weight", (v["num_position_embeddings"], H), "embedding"
    for i in range(v["depth"]):
        p = f"blocks.{i}."
        yield from norm(p + "norm1", H)
        yield from norm(p + "norm2", H)
        yield from linear(p + "attn.qkv", 3 * H, H)
        yield from linear(p + "attn.proj", H, H)
        yield from linear(p + "mlp.linear_fc1", F, H)
        yield from linear(p + "mlp.linear_fc2", H, F)
    yield from merger("merger", H)
    for i in range(len(v["deepstack_visual_indexes"])):
        yield from merger(f"deepstack_merger_list.{i}", merged)
