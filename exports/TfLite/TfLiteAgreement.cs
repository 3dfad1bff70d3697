using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using static TorchSharp.torch;

namespace Lathe.Exports.TfLite;

/// <summary>Runs what a TFLite file says in Lathe's engine, and compares the logits with those of the network in floats.</summary>
internal static class TfLiteAgreement
{
    /// <summary>Compares batch by batch.</summary>
    /// <param name="file">The network as it was read back.</param>
    /// <param name="network">What it was made from.</param>
    /// <param name="batches">Float32 [N, C, H, W]; each is disposed after use.</param>
    /// <param name="threads">CPU threads of the engine.</param>
    public static LogitAgreement Measure(FixedPointNetwork file, GraphModule network, IEnumerable<Tensor> batches, int threads)
    {
        using var engine = new FixedPointEngine(file, threads);
        var agreement = LogitAgreement.None;
        foreach (var batch in batches)
        {
            using var owned = batch;
            using var scope = NewDisposeScope();
            using var noGradient = no_grad();
            var expected = network.Forward(owned, training: false).cpu();
            agreement = agreement.And(LogitAgreement.Of(expected, Run(engine, file, owned)));
        }

        return agreement;
    }

    private static float[] Run(FixedPointEngine engine, FixedPointNetwork file, Tensor images)
    {
        var input = file.Tensors[file.Input];
        var pixels = images.cpu().contiguous().data<float>().ToArray();
        var (bytes, logits) = (new byte[pixels.Length], new int[images.shape[0] * file.Classes]);
        for (var i = 0; i < bytes.Length; i += input.Length) ImageBytes.Quantize(input, pixels.AsSpan(i, input.Length), bytes.AsSpan(i, input.Length));
        engine.Run(bytes, logits);
        return Array.ConvertAll(logits, logit => MathF.ScaleB(logit, -file.LogitFraction));
    }
}
