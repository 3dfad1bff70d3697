using Lathe.Contracts.Panels;

namespace Lathe.Reports.Drawings;

/// <summary>Lays panels out: one layout for each kind.</summary>
public static class PanelDrawing
{
    /// <summary>The drawing of a panel; null where its kind is not known here, or it has nothing to show.</summary>
    public static Drawing? Of(Panel panel) => panel switch
    {
        LineChart lines => LineDrawing.Of(lines),
        ScatterChart scatter => ScatterDrawing.Of(scatter),
        BarChart bars => BarDrawing.Of(bars),
        RidgeChart ridges => RidgeDrawing.Of(ridges),
        HeatMap heat => HeatDrawing.Of(heat),
        TablePanel table => TableDrawing.Of(table),
        _ => null,
    };
}
