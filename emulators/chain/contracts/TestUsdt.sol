// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @title The dollar of the local chain: what a payout can meet when it sends USDT on Polygon.
/// @notice Differs from the token at 0xc2132D05D31c914a87C6611C10748AEb04B58e8F: no proxy, no bridge, no
/// meta-transactions, its owner mints and pauses freely, and a blocked address can neither send nor receive
/// (Tether's own list is known to stop the sender; refusing both sides is the harder case to be ready for).
contract TestUsdt is ERC20, ERC20Permit, Ownable, Pausable {
    mapping(address account => bool) public isBlocked;

    event BlockPlaced(address indexed account);
    event BlockReleased(address indexed account);
    event DestroyedBlockedFunds(address indexed account, uint256 balance);

    error AccountBlocked(address account);
    error AccountNotBlocked(address account);

    constructor() ERC20("USDT0", "USDT0") ERC20Permit("USDT0") Ownable(msg.sender) {}

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    function pause() external onlyOwner {
        _pause();
    }

    function unpause() external onlyOwner {
        _unpause();
    }

    function addToBlockedList(address account) external onlyOwner {
        isBlocked[account] = true;
        emit BlockPlaced(account);
    }

    function removeFromBlockedList(address account) external onlyOwner {
        isBlocked[account] = false;
        emit BlockReleased(account);
    }

    /// @dev Burns past the list (`super`), because every ordinary movement of these funds is refused.
    function destroyBlockedFunds(address account) external onlyOwner {
        if (!isBlocked[account]) revert AccountNotBlocked(account);
        uint256 balance = balanceOf(account);
        super._update(account, address(0), balance);
        emit DestroyedBlockedFunds(account, balance);
    }

    function _update(address from, address to, uint256 amount) internal override whenNotPaused {
        if (isBlocked[from]) revert AccountBlocked(from);
        if (isBlocked[to]) revert AccountBlocked(to);
        super._update(from, to, amount);
    }
}
