using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using static TorchSharp.torch;

namespace Lathe.NN.Training;

/// <summary>
/// Position of an interrupted training: everything that the rest of it depends on. Order and augmentation of the images need no further
/// state, because they are functions of (seed, epoch, image).
/// </summary>
/// <param name="Recipe">Text of the recipe, which distinguishes this state from that of another recipe.</param>
/// <param name="Epoch">The epoch to resume in.</param>
/// <param name="Step">The step of it to resume with.</param>
/// <param name="LossSum">Of that epoch's steps so far.</param>
/// <param name="Correct">Images of that epoch classified right so far.</param>
/// <param name="Epochs">Finished epochs.</param>
internal sealed record TrainingPlace(string Recipe, int Epoch, int Step, double LossSum, long Correct, IReadOnlyList<EpochRecord> Epochs);

/// <summary>
/// The stored form: a safetensors file with the position as JSON and a checksum of all its content in the metadata. Without the checksum, a state
/// that was damaged on disk would train on and end with other weights.
/// </summary>
internal static class SavedTraining
{
    private const string PlaceKey = "training";
    private const string DigestKey = "sha256";
    private const string Source = "the saved training state";

    public static void Write(Stream stream, TrainingPlace place, IReadOnlyDictionary<string, Tensor> tensors)
    {
        var json = JsonSerializer.Serialize(place);
        SafeTensorsFile.Write(stream, tensors, new Dictionary<string, string> { [PlaceKey] = json, [DigestKey] = Digest(json, tensors) });
    }

    /// <returns>The place and the tensors, which belong to the current dispose scope.</returns>
    /// <exception cref="DamagedStateException">The file is incomplete or changed.</exception>
    /// <exception cref="LatheException">It cannot be read now (transient).</exception>
    public static (TrainingPlace Place, IReadOnlyDictionary<string, Tensor> Tensors) Read(Stream stream)
    {
        using var buffered = stream.CanSeek ? null : new MemoryStream();
        if (buffered is not null)
        {
            stream.CopyTo(buffered);
            buffered.Position = 0;
        }

        try
        {
            var file = SafeTensorsFile.Read(buffered ?? stream, Source);
            if (!file.Metadata.TryGetValue(PlaceKey, out var json) || !file.Metadata.TryGetValue(DigestKey, out var digest))
                throw new DamagedStateException("it does not say how far training was, or has no checksum");
            if (digest != Digest(json, file.Tensors))
                throw new DamagedStateException("its content does not have the checksum that was saved with it");
            return (JsonSerializer.Deserialize<TrainingPlace>(json)!, file.Tensors);
        }
        catch (LatheException e) when (e.Kind == FailureKind.Permanent)
        {
            throw new DamagedStateException(e.Message.TrimEnd('.'), e);
        }
    }

    /// <summary>SHA-256 over the place and each tensor's name, type, shape and bytes, in ordinal order of the names.</summary>
    private static string Digest(string place, IReadOnlyDictionary<string, Tensor> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(place));
        foreach (var (name, tensor) in tensors.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            using var scope = NewDisposeScope();
            hash.AppendData(Encoding.UTF8.GetBytes($"\n{name} {tensor.dtype} [{string.Join(' ', tensor.shape)}]\n"));
            hash.AppendData(tensor.detach().cpu().contiguous().bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

/// <summary>A saved training that cannot be resumed; the message says why.</summary>
internal sealed class DamagedStateException(string message, Exception? inner = null) : Exception(message, inner);
