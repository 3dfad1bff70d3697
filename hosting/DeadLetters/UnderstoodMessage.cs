namespace Lathe.Hosting;

/// <summary>Marks a message whose content was read and makes sense: what goes wrong with it later is not its own fault.</summary>
internal sealed class UnderstoodMessage
{
    private UnderstoodMessage()
    {
    }

    public static UnderstoodMessage Instance { get; } = new();
}
