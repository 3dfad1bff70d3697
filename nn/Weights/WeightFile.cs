using Lathe.Contracts;
using Lathe.NN.Checkpoints;
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
        using var stream = SafeTensorsFile.Open(path);
        return SafeTensorsHeader.Read(stream, path).Tensors.ToDictionary(t => t.Name, t => (IReadOnlyList<long>)[.. t.Shape]);
    }

    /// <summary>Copies a file's tensors to a stream as safetensors: the same tensors give the same bytes, whatever file they came in.</summary>
    /// <param name="path">A safetensors file.</param>
    /// <param name="to">Written forward only.</param>
    /// <exception cref="LatheException">Not there, or not sound.</exception>
    public static void Convert(string path, Stream to)
    {
        using var scope = NewDisposeScope();
        using var file = SafeTensorsFile.Read(path);
        SafeTensorsFile.Write(to, file.Tensors, new Dictionary<string, string>());
    }
}
