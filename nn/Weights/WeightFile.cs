using Lathe.Contracts;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Checkpoints;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Weights;

/// <summary>Weights in a file from elsewhere.</summary>
public static class WeightFile
{
    /// <summary>Names and shapes, without reading the tensors.</summary>
    /// <param name="path">A safetensors file.</param>
    /// <exception cref="LatheException">Not there, or not sound.</exception>
    public static IReadOnlyDictionary<string, IReadOnlyList<long>> Shapes(string path)
    {
        using var stream = ReadableFile.Open(path);
        return SafeTensorsHeader.Read(stream, path).Tensors.ToDictionary(t => t.Name, t => (IReadOnlyList<long>)[.. t.Shape]);
    }

    /// <summary>Copies a file's tensors to a stream as safetensors: the same tensors give the same bytes, from any kind of file.</summary>
    /// <param name="path">A safetensors file, or PyTorch's (<see cref="TorchArchive"/>).</param>
    /// <param name="to">Written forward only.</param>
    /// <param name="say">Is told where a choice was made among several state dicts; null: nobody.</param>
    /// <exception cref="LatheException">Not there, or not sound.</exception>
    public static void Convert(string path, Stream to, Action<string>? say = null)
    {
        Libtorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        SafeTensorsFile.Write(to, Read(path, say), new Dictionary<string, string>());
    }

    private static IReadOnlyDictionary<string, Tensor> Read(string path, Action<string>? say)
    {
        if (!File.Exists(path))
            throw new LatheException($"there is no file {path}");
        if (TorchArchive.IsOne(path))
            return TorchArchive.Read(path, say);
        if (TorchArchive.IsOfOldFormat(path))
        {
            throw new LatheException(
                $"{path} is a bare pickle, perhaps of PyTorch's format before 1.6, which is not read: nothing in it was run. If it is yours, "
                + "torch.save(torch.load(path, weights_only=True), path) in Python brings it into the present one");
        }

        return SafeTensorsFile.Read(path).Tensors;
    }
}
