using System.Runtime.InteropServices;
using Lathe.Benchmarks.Engine;
using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.FixedPoint;

namespace Lathe.Benchmarks.Inference;

/// <summary>
/// <c>reference</c>: a checkpoint's logits for the test images of a data set, by the engine with each instruction set that this machine has
/// and by the reference in integers of any size. They must be the same to the bit.
/// </summary>
internal static class ReferenceCommand
{
    /// <summary>Compares and prints.</summary>
    /// <exception cref="LatheException">A switch is missing or its value unusable.</exception>
    public static void Run(IReadOnlyList<string> words)
    {
        var switches = new Switches("reference", words);
        var file = switches.Text("checkpoint") ?? throw new LatheException("reference: --checkpoint FILE is missing.");
        var name = switches.Text("dataset") ?? throw new LatheException("reference: --dataset NAME is missing.");
        var folder = switches.Text("data") ?? throw new LatheException("reference: --data FOLDER is missing.");
        var most = switches.Number("images", int.MaxValue);
        var threads = switches.Number("threads", 1);
        switches.RefuseOthers("--checkpoint, --dataset, --data, --images and --threads");

        using var checkpoint = CheckpointFile.Read(file);
        var network = FixedPointCompiler.Compile(checkpoint);
        var test = DataSets.Open(name, new DataPlace(folder), new ImageOptions(checkpoint.Graph.Input.Height)).Test;
        var images = Read(network, test, Math.Min(most, test.Count));
        var expected = new int[images.Length][];
        Parallel.For(0, images.Length, new ParallelOptions { MaxDegreeOfParallelism = threads }, i => expected[i] = FixedPointReference.Run(network, images[i]));
        foreach (var set in FixedPointEngine.Sets)
        {
            using var engine = new FixedPointEngine(network, 1, set);
            var logits = new int[network.Classes];
            var same = 0;
            for (var i = 0; i < images.Length; i++)
            {
                engine.Run(images[i], logits);
                if (logits.AsSpan().SequenceEqual(expected[i])) same++;
            }

            Console.WriteLine($"{set}: the logits of {same} of {images.Length} test images of {name} are the reference's to the bit");
        }
    }

    private static byte[][] Read(FixedPointNetwork network, Split test, int count)
    {
        var input = network.Tensors[network.Input];
        var images = new List<byte[]>(count);
        foreach (var batch in BatchLoader.InOrder(test, Math.Min(64, test.Count)))
        {
            using var owned = batch;
            using var contiguous = batch.Images.contiguous();
            var pixels = MemoryMarshal.Cast<byte, float>(contiguous.bytes);
            for (var i = 0; i < batch.Count && images.Count < count; i++)
            {
                var image = new byte[input.Length];
                ImageBytes.Quantize(input, pixels.Slice(i * input.Length, input.Length), image);
                images.Add(image);
            }

            if (images.Count == count) break;
        }

        return [.. images];
    }
}
