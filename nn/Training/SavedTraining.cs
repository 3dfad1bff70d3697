using System.Text;
using System.Text.Json;
using Lathe.Contracts;
using static TorchSharp.torch;

namespace Lathe.NN.Training;

/// <summary>
/// Training in mid-course: all that the rest of it depends on. Order and augmentation of the images need no state beyond the place,
/// for they are functions of (seed, epoch, image).
/// </summary>
/// <param name="Recipe">What is being trained, to tell another recipe's state from this one's.</param>
/// <param name="Epoch">The epoch to go on with.</param>
/// <param name="Step">The step of it to go on with.</param>
/// <param name="LossSum">Of that epoch's steps so far.</param>
/// <param name="Correct">Images of that epoch classified right so far.</param>
/// <param name="Epochs">Finished epochs.</param>
internal sealed record TrainingPlace(string Recipe, int Epoch, int Step, double LossSum, long Correct, IReadOnlyList<EpochRecord> Epochs);

/// <summary>
/// The stored form: the line <c>lathe-training 1</c>, the place as JSON, then tensors: name, type, sizes, bytes.
/// </summary>
internal static class SavedTraining
{
    private const string Mark = "lathe-training 1";

    public static void Write(Stream stream, TrainingPlace place, IReadOnlyDictionary<string, Tensor> tensors)
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        writer.Write(Mark);
        writer.Write(JsonSerializer.Serialize(place));
        writer.Write(tensors.Count);
        foreach (var (name, tensor) in tensors)
        {
            using var values = tensor.detach().cpu().contiguous();
            writer.Write(name);
            writer.Write((int)values.dtype);
            writer.Write(values.shape.Length);
            foreach (var size in values.shape)
                writer.Write(size);
            writer.Write(values.bytes);
        }
    }

    /// <returns>The place and the tensors, which belong to the current dispose scope.</returns>
    public static (TrainingPlace Place, IReadOnlyDictionary<string, Tensor> Tensors) Read(Stream stream)
    {
        try
        {
            using var reader = new BinaryReader(stream, Encoding.UTF8, leaveOpen: true);
            if (reader.ReadString() != Mark)
                throw new InvalidDataException("it was written by another version of Lathe");
            var place = JsonSerializer.Deserialize<TrainingPlace>(reader.ReadString()) ?? throw new InvalidDataException("it has no place");
            var tensors = new Dictionary<string, Tensor>();
            for (var left = reader.ReadInt32(); left > 0; left--)
            {
                var name = reader.ReadString();
                var type = (ScalarType)reader.ReadInt32();
                var shape = new long[reader.ReadInt32()];
                for (var i = 0; i < shape.Length; i++)
                    shape[i] = reader.ReadInt64();
                var tensor = empty(shape, type);
                reader.BaseStream.ReadExactly(tensor.bytes);
                tensors.Add(name, tensor);
            }

            return (place, tensors);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or JsonException or FormatException or OverflowException)
        {
            throw new LatheException($"The saved training state cannot be used: {e.Message}. Run with --fresh to start over.", FailureKind.Permanent, e);
        }
    }
}
