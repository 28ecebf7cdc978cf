// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

struct SendParam {
    uint32 dstEid;
    bytes32 to;
    uint256 amountLD;
    uint256 minAmountLD;
    bytes extraOptions;
    bytes composeMsg;
    bytes oftCmd;
}

struct MessagingFee {
    uint256 nativeFee;
    uint256 lzTokenFee;
}

struct MessagingReceipt {
    bytes32 guid;
    uint64 nonce;
    MessagingFee fee;
}

struct OFTLimit {
    uint256 minAmountLD;
    uint256 maxAmountLD;
}

struct OFTFeeDetail {
    int256 feeAmountLD;
    string description;
}

struct OFTReceipt {
    uint256 amountSentLD;
    uint256 amountReceivedLD;
}

/// @title The end of a bridge on one local chain: what a top-up can meet at StargatePoolUSDT of Stargate V2.
/// @notice Differs from the pool at 0x933597a323Eb81cAe705C5bC29985172fd5A3973: no liquidity, credits, buses or
/// messages. What it takes it keeps, and its owner delivers by hand: less, later, twice, or to somebody else.
contract TestStargate is Ownable {
    IERC20 private immutable _token;
    uint32 public immutable localEid;
    uint256 public feeMillionths = 300;
    uint256 public nativeFee = 1e14;
    uint256 public limit = 1e13;
    uint64 public nonce;

    event OFTSent(
        bytes32 indexed guid, uint32 dstEid, address indexed fromAddress, uint256 amountSentLD, uint256 amountReceivedLD
    );
    event OFTReceived(bytes32 indexed guid, uint32 srcEid, address indexed toAddress, uint256 amountReceivedLD);

    error Stargate_InvalidAmount();
    error Stargate_InsufficientFare();
    error Stargate_SlippageTooHigh();

    constructor(address token_, uint32 localEid_) Ownable(msg.sender) {
        _token = IERC20(token_);
        localEid = localEid_;
    }

    function token() external view returns (address) {
        return address(_token);
    }

    function set(uint256 feeMillionths_, uint256 nativeFee_, uint256 limit_) external onlyOwner {
        (feeMillionths, nativeFee, limit) = (feeMillionths_, nativeFee_, limit_);
    }

    function quoteOFT(SendParam calldata asked)
        external
        view
        returns (OFTLimit memory limits, OFTFeeDetail[] memory details, OFTReceipt memory amounts)
    {
        limits = OFTLimit(1, limit);
        details = new OFTFeeDetail[](1);
        uint256 fee = asked.amountLD * feeMillionths / 1e6;
        details[0] = OFTFeeDetail(-int256(fee), "protocol fee");
        amounts = OFTReceipt(asked.amountLD, asked.amountLD - fee);
    }

    function quoteSend(SendParam calldata asked, bool) external view returns (MessagingFee memory) {
        if (asked.amountLD == 0 || asked.amountLD > limit) revert Stargate_InvalidAmount();
        return MessagingFee(nativeFee, 0);
    }

    function send(SendParam calldata asked, MessagingFee calldata fee, address refundAddress)
        external
        payable
        returns (MessagingReceipt memory message, OFTReceipt memory amounts)
    {
        if (asked.amountLD == 0 || asked.amountLD > limit) revert Stargate_InvalidAmount();
        if (msg.value < fee.nativeFee || fee.nativeFee < nativeFee) revert Stargate_InsufficientFare();
        amounts = OFTReceipt(asked.amountLD, asked.amountLD - asked.amountLD * feeMillionths / 1e6);
        if (amounts.amountReceivedLD < asked.minAmountLD) revert Stargate_SlippageTooHigh();
        require(_token.transferFrom(msg.sender, address(this), asked.amountLD));
        bytes32 guid = keccak256(abi.encode(++nonce, localEid, msg.sender, asked.dstEid, asked.to));
        message = MessagingReceipt(guid, nonce, MessagingFee(nativeFee, 0));
        emit OFTSent(guid, asked.dstEid, msg.sender, amounts.amountSentLD, amounts.amountReceivedLD);
        (bool refunded,) = refundAddress.call{value: msg.value - nativeFee}("");
        require(refunded);
    }

    function deliver(bytes32 guid, uint32 srcEid, address to, uint256 amount) external onlyOwner {
        require(_token.transfer(to, amount));
        emit OFTReceived(guid, srcEid, to, amount);
    }
}
